// Alerts about workspaces and online endpoints, which the function monitor_alert receives. Deploy it when the function
// exists, with its URL: docs/alerts.md.
@description('Ends the name of the action group: that of main.bicep.')
param name string
@description('The ARM id of the function app.')
param functionAppId string
@description('The URL of the function monitor_alert, with its key.')
@secure()
param functionUrl string
@description('The ARM ids of workspaces.')
param workspaceIds array
@description('The ARM ids of online endpoints.')
param endpointIds array
@description('An endpoint is slow if the 95th percentile of its latency is longer, in milliseconds.')
param slowMilliseconds int = 1000

var workspaces = 'Microsoft.MachineLearningServices/workspaces'
var endpoints = 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints'
var ofWorkspaces = [
  { name: 'failed-deployments', metric: 'Model Deploy Failed', aggregation: 'Total', above: 0 }
  { name: 'failed-runs', metric: 'Failed Runs', aggregation: 'Total', above: 0 }
  { name: 'silent-runs', metric: 'Not Responding Runs', aggregation: 'Total', above: 0 }
  { name: 'quota', metric: 'Quota Utilization Percentage', aggregation: 'Average', above: 90 }
  { name: 'unusable-nodes', metric: 'Unusable Nodes', aggregation: 'Total', above: 0 }
]
var ofEndpoints = [
  { name: '5xx', metric: 'RequestsPerMinute', aggregation: 'Average', above: 0, dimension: 'statusCodeClass', value: '5xx' }
  { name: 'slow', metric: 'RequestLatency_P95', aggregation: 'Average', above: slowMilliseconds, dimension: 'deployment', value: '*' }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}-ml'
  location: 'global'
  properties: {
    enabled: true
    groupShortName: 'mlevents-ml'
    azureFunctionReceivers: [
      {
        name: 'monitor_alert'
        functionAppResourceId: functionAppId
        functionName: 'monitor_alert'
        httpTriggerUrl: functionUrl
        useCommonAlertSchema: true
      }
    ]
  }
}

module workspaceAlerts 'modules/ml-alert.bicep' = [
  for id in workspaceIds: {
    name: 'alerts-${uniqueString(id)}'
    params: { scope: id, namespace: workspaces, rules: ofWorkspaces, actionGroupId: group.id }
  }
]

module endpointAlerts 'modules/ml-alert.bicep' = [
  for id in endpointIds: {
    name: 'alerts-${uniqueString(id)}'
    params: { scope: id, namespace: endpoints, rules: ofEndpoints, actionGroupId: group.id }
  }
]
