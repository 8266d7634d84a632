// Application Insights, which accepts telemetry from identities only, and its Log Analytics workspace; the alerts.
param name string
param location string
param storageId string
param alertEmail string

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${name}'
  location: location
  properties: { sku: { name: 'PerGB2018' }, retentionInDays: 30 }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}'
  location: location
  kind: 'web'
  properties: { Application_Type: 'web', WorkspaceResourceId: logs.id, DisableLocalAuth: true }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    location: location
    email: alertEmail
    applicationInsightsId: insights.id
    storageId: storageId
  }
}

output id string = insights.id
output name string = insights.name
output actionGroupId string = alerts.outputs.actionGroupId
