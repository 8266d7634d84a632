"""What messages say about an event, in mails and in chats: headline, lead, facts, buttons and tables."""
