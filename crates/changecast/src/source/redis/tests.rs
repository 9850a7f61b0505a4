//! What can be shown without a server: names, places, events.
