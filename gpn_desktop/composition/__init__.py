"""Where adapters meet services, and nowhere else: every command's parts are put together here."""
