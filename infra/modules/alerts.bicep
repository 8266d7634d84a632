// Alerts that need neither the app's log nor its mails: they read the host's telemetry and the account's metrics.
// Dead letters are counted by the system topics: ../dead-letters.bicep.
param name string
param location string
param email string
param applicationInsightsId string
param storageId string

var rules = [
  {
    name: 'poison'
    description: 'The host gave up a message ten times: storage was unavailable, or calls end their worker'
    query: 'requests | where name in ("act_poison", "queued_event_poison")'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT1H'
    every: 'PT15M'
  }
  {
    name: 'failures'
    description: 'Calls of functions fail: the app cannot start, or storage is unavailable'
    query: 'requests | where success == false'
    operator: 'GreaterThan'
    threshold: 5
    window: 'PT15M'
    every: 'PT15M'
  }
  {
    name: 'no-events'
    description: 'No event has come for a day: is there a subscription, and does Event Grid reach the app?'
    query: 'requests | where name !in ("sweep", "watch", "act", "act_poison", "queued_event_poison", "web", "monitor_alert")'
    operator: 'LessThan'
    threshold: 1
    window: 'P1D'
    every: 'PT1H'
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  properties: {
    enabled: true
    groupShortName: 'mlevents'
    emailReceivers: empty(email) ? [] : [{ name: 'mail', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${name}-${rule.name}'
    location: location
    properties: {
      description: rule.description
      severity: 1
      enabled: true
      scopes: [applicationInsightsId]
      evaluationFrequency: rule.every
      windowSize: rule.window
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [group.id] }
    }
  }
]

module backlog 'metric-alert.bicep' = {
  name: 'backlog-alert'
  params: {
    name: '${name}-backlog'
    description: 'More than 1,000 messages wait in the queues: the app does not run, or cannot keep up'
    scope: '${storageId}/queueServices/default'
    namespace: 'Microsoft.Storage/storageAccounts/queueServices'
    metric: 'QueueMessageCount'
    aggregation: 'Average'
    threshold: 1000
    actionGroupId: group.id
  }
}

output actionGroupId string = group.id
