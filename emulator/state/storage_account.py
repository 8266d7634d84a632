"""The storage account of the emulator."""

# The account that every storage emulator has (learn.microsoft.com, "Use the Azurite emulator for local Azure Storage
# development", section "Well-known storage account and key").
ACCOUNT = "devstoreaccount1"


KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
