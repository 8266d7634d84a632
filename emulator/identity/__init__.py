"""Microsoft Entra ID and managed identity: tokens."""
