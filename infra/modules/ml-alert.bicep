// The alert rules of one workspace or endpoint.
param scope string
param namespace string
param rules array
param actionGroupId string

var id = split(scope, '/')

resource alerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for rule in rules: {
    name: '${last(id)}-${rule.name}-${uniqueString(scope)}'
    location: 'global'
    properties: {
      description: '${rule.metric} of ${last(id)} is above ${rule.above}'
      severity: 2
      enabled: true
      scopes: [scope]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: rule.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: namespace
            metricName: rule.metric
            timeAggregation: rule.aggregation
            operator: 'GreaterThan'
            threshold: rule.above
            dimensions: contains(rule, 'dimension') ? [{ name: rule.dimension, operator: 'Include', values: [rule.value] }] : []
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]
