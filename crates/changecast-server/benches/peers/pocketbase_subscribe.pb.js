// A client of PocketBase subscribes by a second request, with the id that its stream begins with.
// Here the server does that for it: the same subscription, but one request a subscriber.
onRealtimeConnectRequest((e) => {
  e.client.subscribe("messages/*")
  e.next()
})
