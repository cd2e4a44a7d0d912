// Asks the Platform who the user is, once from Nextflow itself and once from a task.

// The plugin nf-tower, which talks to the Platform, is not in Maven Central, and its stand-in here does nothing.
// This function chooses the token as the plugin does: the configuration comes first, except in a run that the
// Platform has launched.
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
