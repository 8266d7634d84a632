// An alert that fires while a metric of a resource is above a threshold.
param name string
param description string
param scope string
param namespace string
param metric string
@allowed(['Average', 'Total'])
param aggregation string
param threshold int
param actionGroupId string

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: name
  location: 'global'
  properties: {
    description: description
    severity: 1
    enabled: true
    scopes: [scope]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'above'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: namespace
          metricName: metric
          timeAggregation: aggregation
          operator: 'GreaterThan'
          threshold: threshold
        }
      ]
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}
