//! Backup files. API to be completed: write (streamed, hot), verify, restore into a fresh store.
