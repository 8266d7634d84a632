// An alert for each system topic that gives up an event. Deploy it after the event subscriptions (docs/deploying.md).
@description('The ARM ids of the system topics.')
param topicIds array
@description('The action group of main.bicep.')
param actionGroupId string

module alerts 'modules/metric-alert.bicep' = [
  for topicId in topicIds: {
    name: 'dead-letters-${uniqueString(topicId)}'
    params: {
      name: 'dead-letters-${uniqueString(topicId)}'
      description: 'Event Grid gave up events: see "Dead letters" in docs/event-grid.md'
      scope: topicId
      namespace: 'Microsoft.EventGrid/systemTopics'
      metric: 'DeadLetteredCount'
      aggregation: 'Total'
      threshold: 0
      actionGroupId: actionGroupId
    }
  }
]
