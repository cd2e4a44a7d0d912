# Completion of seqera for PowerShell. Load it in your profile with:
#   seqera completions powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName seqera -ScriptBlock {
    param($word, $line, $position)
    $words = @($line.CommandElements | Where-Object { $_.Extent.StartOffset -lt $position } |
        Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    # An empty argument is lost before PowerShell 7.3; this one arrives, as nothing or as two quotes.
    if ($word -eq '') { $words += '""' }
    & $line.CommandElements[0].Extent.Text __complete powershell -- @words 2>$null | ForEach-Object {
        $name, $help = $_ -split "`t", 2
        if (-not $help) { $help = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $help)
    }
}
