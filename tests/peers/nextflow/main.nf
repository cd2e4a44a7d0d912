// Asks the Platform who it is: once as Nextflow itself, once in a task.

// The plugin nf-tower, which talks to the Platform, is not in Maven Central, and what stands in its place does
// nothing. This is its choice (facts, section 3): the configuration first, but for runs of the Platform.
def token() {
  def given = System.getenv('TOWER_ACCESS_TOKEN')
  System.getenv('TOWER_WORKFLOW_ID') ? given : session.config.navigate('tower.accessToken') ?: given
}

process TASK {
  output: stdout
  script: 'curl -fsS -H "Authorization: Bearer $TOWER_ACCESS_TOKEN" "$TOWER_API_ENDPOINT/user-info"'
}

workflow {
  def request = new URL("${System.getenv('TOWER_API_ENDPOINT')}/user-info").openConnection()
  request.setRequestProperty('Authorization', "Bearer ${token()}")
  println "nextflow is ${new groovy.json.JsonSlurper().parse(request.inputStream).user.email}"
  TASK().view { "the task is ${new groovy.json.JsonSlurper().parseText(it).user.email}" }
}
