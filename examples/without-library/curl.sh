#!/bin/sh
# Messages, a room and a task, with nothing but curl:  ./curl.sh [http://127.0.0.1:8080]
set -eu
url=${1:-http://127.0.0.1:8080}

post() {
  curl -sS --fail-with-body "$url$1" -H 'content-type: application/json' -d "$2"
  echo
}

echo '# Anna writes to Bert, who is away. When this answers, it is on disk.'
post /messages/user '{"fromUser":"anna","toUser":"bert","message":"hello"}'

echo '# Bert looks what there is.'
curl -sS "$url/ws/history?user=bert"
echo

echo '# A room that anybody may join, and a message in it.'
room=tea-$$
post '/rooms?user=anna' "{\"id\":\"$room\",\"name\":\"Tea\",\"open\":true}"
post "/rooms/$room/messages?user=anna" '{"message":"Who is in?"}'
curl -sS "$url/rooms/$room/messages?user=anna"
echo

echo '# A task.'
post /tasks '{"queue":"curl","payload":{"Period":417}}'

echo '# A worker is a stream that stays open, and each task is an event in it.'
events=$(mktemp)
curl -sSN "$url/task?queue=curl&batchsize=1" >"$events" &
worker=$!
trap 'kill $worker; rm -f "$events"' EXIT
until grep -q '^data: ' "$events"; do sleep 0.1; done
grep '^data: ' "$events"

echo '# It says which tasks are done.'
post /report "[\"$(sed -n 's/^id: //p' "$events")\"]"
