// App Service Authentication for the page. Requests without a sign-in pass, because Event Grid does not sign in; the
// pages themselves send people to Entra ID (docs/history.md).
param appName string
param clientId string

var login = environment().authentication.loginEndpoint

resource app 'Microsoft.Web/sites@2024-11-01' existing = { name: appName }

resource authentication 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: { requireAuthentication: false, unauthenticatedClientAction: 'AllowAnonymous' }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: { clientId: clientId, openIdIssuer: '${login}${tenant().tenantId}/v2.0' }
        validation: { allowedAudiences: [clientId] }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
}
