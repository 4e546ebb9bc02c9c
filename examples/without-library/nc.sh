#!/bin/sh
# Requests and a pool over TCP, one line each:  ./nc.sh [127.0.0.1 [41969]]
set -eu
host=${1:-127.0.0.1}
port=${2:-41969}

# Says that this is all (-N), and stays until the server has answered and ends the connection.
ask() {
  echo "$1"
  printf '%s\n' "$1" | nc -N "$host" "$port"
}

ask '{"type":"ping","queryIndex":1}'
ask '{"type":"pool.add","queryIndex":2,"payload":{"pool":"proxies","resources":["10.0.0.1:3128","10.0.0.2:3128"]}}'

# A hold ends with its connection, so both questions go over one: nobody else gets this proxy in between.
ask '{"type":"pool.acquire","queryIndex":3,"payload":{"pool":"proxies","ttl":60000}}
{"type":"pool.status","queryIndex":4,"payload":{"pool":"proxies"}}'
ask '{"type":"pool.status","queryIndex":5,"payload":{"pool":"proxies"}}'
