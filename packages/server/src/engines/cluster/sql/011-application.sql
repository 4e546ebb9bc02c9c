-- For applications: to call inside a transaction of their own. What they store is delivered after its commit, and never after
-- its rollback. Until then the log, or the user's two logs, are locked: others that write there wait. All of them run with the
-- rights of the schema's owner; an application's role needs `usage` on the schema and nothing else. Their `pg_temp` is named so that
-- it comes last: otherwise names of types are looked up among the caller's own temporary ones first.
--
-- Errors have the states NK400 (a parameter is wrong), NK403, NK404, NK409 (the id was used for another payload) and NK413.

-- An id as the nodes make them: seconds, then chance; 20 characters, base32hex.
create function nitka.new_id() returns text language sql volatile as $$
  with raw as (
    select lpad(to_hex(extract(epoch from clock_timestamp())::bigint), 8, '0')
           || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)
           || substr(replace(gen_random_uuid()::text, '-', ''), 1, 4) as hex
  ),
  bits as (select string_agg(('x' || substr(hex, i, 8))::bit(32)::text, '' order by i) || '0000' as b
    from raw, generate_series(1, 17, 8) as i)
  select string_agg(substr('0123456789abcdefghijklmnopqrstuv', substr(b, i, 5)::bit(5)::int + 1, 1), '' order by i)
    from bits, generate_series(1, 96, 5) as i
$$;

-- Largest payload, as the nodes' `payloadBytes`: `set nitka.payload_bytes = 65536`.
create function nitka.payload(value jsonb, field text) returns text language plpgsql stable as $$
declare
  most int := coalesce(nullif(current_setting('nitka.payload_bytes', true), '')::int, 65536);
  size int := octet_length(case when jsonb_typeof(value) = 'string' then value #>> '{}' else value::text end);
begin
  if value is null or value = 'null' or value = '""' then
    raise exception '% must not be empty', field using errcode = 'NK400';
  end if;
  if most > 0 and size > most then
    raise exception '% is % bytes, at most % are allowed', field, size, most using errcode = 'NK413';
  end if;
  return value::text;
end
$$;

create function nitka.name_of(value text, field text, most int) returns text language plpgsql immutable as $$
begin
  if value is null or value = '' or octet_length(value) > most or value ~ '[\x01-\x1f\x7f]' then
    raise exception '% must be 1 to % bytes without control characters', field, most using errcode = 'NK400';
  end if;
  return value;
end
$$;

create function nitka.append_one(
  l_kind text, l_ids text[], sender text, body text, threads text[], counts int[], client_id text
) returns table (id text, "offset" bigint, repeated boolean) language plpgsql as $$
#variable_conflict use_column
declare
  many int := cardinality(l_ids);
  new_id text := nitka.new_id();
  now bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
  names text[] := (select array_agg(n order by n collate "C") from unnest(l_ids) as n);
  done record;
begin
  if client_id is not null then perform nitka.name_of(client_id, 'client_id', 64); end if;
  select a.* into done from nitka.append(
    array_fill(l_kind, array[many]), names,
    array[1], array[client_id], array[substr(encode(sha256(convert_to(l_ids[1] || ' ' || body, 'UTF8')), 'hex'), 1, 32)],
    array[array_position(names, l_ids[1])], array[sender], array[null::int], array[1], array[many],
    (select array_agg(array_position(names, n) order by p) from unnest(l_ids) with ordinality as o (n, p)),
    array_fill(new_id, array[many]), array_fill(now, array[many]), array_fill(sender, array[many]),
    array_fill(body, array[many]), threads, counts, interval '24 hours'
  ) as a;
  if done.outcome = 'conflict' then
    raise exception 'the id % was used before for another payload', client_id using errcode = 'NK409';
  end if;
  if done.outcome = 'stored' then
    for i in 1..many loop
      perform pg_notify('nitka', json_build_object('kind', l_kind, 'log', l_ids[i], 'offset', done.offsets[i])::text);
    end loop;
  end if;
  return query select done.id, done.offsets[1], done.outcome = 'repeated';
end
$$;

-- Sends to a room: from a member, or from the application when `from_user` is ''. `client_id` makes a repeat within a day
-- harmless.
create function nitka.send_room(room text, from_user text, message jsonb, client_id text default null)
returns table (id text, "offset" bigint, repeated boolean) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  if from_user is null then
    raise exception 'from_user is missing; the application is ''''' using errcode = 'NK400';
  end if;
  if not exists (select from nitka.rooms r where r.id = room) then
    raise exception 'there is no room %', room using errcode = 'NK404';
  end if;
  if from_user <> '' and not exists (select from nitka.members m where m.room = send_room.room and m.user_name = from_user) then
    raise exception '% is no member of %', from_user, room using errcode = 'NK403';
  end if;
  return query select * from nitka.append_one(
    'room', array[room], from_user, nitka.payload(message, 'message'), array[null::text], array[1], client_id
  );
end
$$;

-- Sends from a user to a user, into the logs of both.
create function nitka.send_direct(from_user text, to_user text, message jsonb, client_id text default null)
returns table (id text, "offset" bigint, repeated boolean) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  body text;
begin
  perform nitka.name_of(from_user, 'from_user', 128), nitka.name_of(to_user, 'to_user', 128);
  body := '{"fromUser":' || to_json(from_user) || ',"toUser":' || to_json(to_user)
    || ',"message":' || nitka.payload(message, 'message') || '}';
  if from_user = to_user then
    return query select * from nitka.append_one('user', array[to_user], from_user, body, array['u:' || from_user], array[1], client_id);
  else
    return query select * from nitka.append_one(
      'user', array[to_user, from_user], from_user, body, array['u:' || from_user, 'u:' || to_user], array[1, 0], client_id
    );
  end if;
end
$$;

-- Sends from the application to a user. `data` is for programs, beside what people read.
create function nitka.send_system(to_user text, message jsonb, data jsonb default null, client_id text default null)
returns table (id text, "offset" bigint, repeated boolean) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
  perform nitka.name_of(to_user, 'to_user', 128);
  return query select * from nitka.append_one(
    'user', array[to_user], '',
    '{"system":true,"toUser":' || to_json(to_user) || ',"message":' || nitka.payload(message, 'message')
      || case when data is null then '' else ',"data":' || nitka.payload(data, 'data') end || '}',
    array['s'], array[1], client_id
  );
end
$$;

-- Adds a task. `key` makes it idempotent within its queue for a day; `delay_ms` until it is ready, `lease_ms` for a worker.
-- The payload is an object.
create function nitka.add_task(
  payload jsonb, queue text default 'default', priority int default 0, delay_ms bigint default 0, key text default null,
  "group" text default null, max_attempts int default 3, lease_ms bigint default 5000, room text default null
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  done record;
begin
  if payload is null or jsonb_typeof(payload) <> 'object' then
    raise exception 'payload must be an object' using errcode = 'NK400';
  end if;
  if queue is null or queue !~ '^[A-Za-z0-9_-]{1,128}$' then
    raise exception 'queue must be 1 to 128 of the characters A-Z a-z 0-9 _ -' using errcode = 'NK400';
  end if;
  if priority is null or priority not between -1000 and 1000 then
    raise exception 'priority must be from -1000 to 1000' using errcode = 'NK400';
  end if;
  if delay_ms is null or delay_ms not between 0 and 31622400000 then
    raise exception 'delay_ms must be from 0 to 31622400000' using errcode = 'NK400';
  end if;
  if max_attempts is null or max_attempts not between 1 and 100 then
    raise exception 'max_attempts must be from 1 to 100' using errcode = 'NK400';
  end if;
  if lease_ms is null or lease_ms not between 100 and 86400000 then
    raise exception 'lease_ms must be from 100 to 86400000' using errcode = 'NK400';
  end if;
  if key is not null then perform nitka.name_of(key, 'key', 128); end if;
  if "group" is not null then perform nitka.name_of("group", 'group', 128); end if;
  select t.outcome, t.id into done from nitka.add_tasks(
    array[0], array[nitka.new_id()], array[queue], array[nitka.payload(payload, 'payload')], array[priority],
    array[(extract(epoch from clock_timestamp()) * 1000)::bigint], array[delay_ms], array[key],
    array[case when key is not null then substr(encode(sha256(convert_to(payload::text, 'UTF8')), 'hex'), 1, 32) end],
    array["group"], array[max_attempts], array[lease_ms],
    array['exponential'], array[1000::bigint], array[300000::bigint], array[room],
    '{}'::text[], '{}'::bigint[], 86400000
  ) as t;
  if done.outcome = 'conflict' then
    raise exception 'the key % was used before for another payload', key using errcode = 'NK409';
  end if;
  if done.outcome = 'added' then
    perform pg_notify('nitka', json_build_object('kind', 'task', 'queue', queue)::text);
  end if;
  return done.id;
end
$$;
