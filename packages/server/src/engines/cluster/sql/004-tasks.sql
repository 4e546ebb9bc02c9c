-- Tasks: what there is, and where it stands. States: 0 ready, 1 delayed, 2 leased, 3 done, 4 dead.
--
-- Locks are taken in one order everywhere, so that nobody waits in a circle: keys, queues that are made, tasks by id, and
-- nothing after them. Claims and the work that comes by time never wait for a task: they pass over what is locked. A claim
-- in groups holds its queue's turn until it is committed; turns are taken in the order of names, before any task.

-- Milliseconds since 1970. A test sets `nitka.clock_ms` in its sessions, and time stands still there.
create function nitka.now_ms() returns bigint language sql volatile as $$
  select coalesce(
    nullif(current_setting('nitka.clock_ms', true), '')::bigint,
    (extract(epoch from clock_timestamp()) * 1000)::bigint
  )
$$;

create sequence nitka.task_arrivals;
create sequence nitka.task_claims maxvalue 1099511627775 cycle;

create table nitka.task_queues (
  queue text collate "C" primary key,
  paused boolean not null default false,
  group_concurrency int not null default 0,
  ordered boolean not null default false,
  -- The group that had the last turn.
  last_group text collate "C" not null default ''
) with (fillfactor = 50);

create table nitka.tasks (
  id text collate "C" primary key,
  queue text collate "C" not null,
  -- The order of arrival.
  seq bigint not null default nextval('nitka.task_arrivals'),
  -- Its place before that: 1001 less its priority, 0 puts it in front of an ordered group.
  rank smallint not null,
  state smallint not null,
  priority smallint not null,
  -- The group, or nothing.
  lane text collate "C" not null default '',
  attempt int not null default 0,
  failures int not null default 0,
  max_attempts int not null,
  -- When it is ready, when its lease ends, or when it was settled.
  "until" bigint,
  lease_ms bigint not null,
  -- Of the lease that runs: its length, when the attempt and when the lease began, how often the lease began anew.
  held_ms bigint,
  started bigint,
  begun bigint,
  restarts smallint not null default 0,
  time bigint not null,
  delay_ms bigint not null,
  backoff_kind text not null,
  backoff_ms bigint not null,
  backoff_max bigint not null,
  -- Of the last attempt.
  token text,
  worker text,
  node text,
  key text,
  room text,
  payload text not null,
  progress text,
  -- The last attempts that ended, oldest first.
  history jsonb not null default '[]'
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index tasks_ready on nitka.tasks (queue, lane, rank, seq) where state = 0;
create index tasks_due on nitka.tasks ("until") where state in (1, 2);
create index tasks_delayed on nitka.tasks (queue, id) where state = 1;
create index tasks_held on nitka.tasks (worker, id) where state = 2;
create index tasks_dead on nitka.tasks (queue, id) where state = 4;
create index tasks_done on nitka.tasks ("until") where state = 3;
-- What of a group keeps others of it waiting.
create index tasks_busy on nitka.tasks (queue, lane) where lane <> '' and (state = 2 or (state = 1 and attempt > 0));

-- What keys were used for. Stored 0: only while somebody decides.
create table nitka.task_keys (
  queue text collate "C" not null,
  key text collate "C" not null,
  hash text not null,
  id text collate "C" not null,
  stored bigint not null,
  primary key (queue, key)
);
create index task_keys_by_age on nitka.task_keys (stored);

-- How many tasks of a queue are in a state: the sum of both. Every statement notes its changes, so nobody waits for anybody
-- else's count; the sweep adds them up.
create table nitka.task_counts (
  queue text collate "C" not null,
  state smallint not null,
  count bigint not null,
  primary key (queue, state)
);
create table nitka.task_changes (
  queue text collate "C" not null,
  state smallint not null,
  change bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- When the database was started and when somebody last looked after its leases, as far as that is accounted for.
create table nitka.task_clock (
  one boolean primary key default true check (one),
  started timestamptz not null,
  beat bigint not null
);
insert into nitka.task_clock (started, beat) values (pg_postmaster_start_time(), nitka.now_ms());

-- One line of a history.
create function nitka.attempt(number int, worker text, started bigint, ended bigint, outcome text, reason text)
returns jsonb language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'number', number, 'worker', worker, 'started', started, 'ended', ended, 'outcome', outcome, 'reason', reason
  ))
$$;

-- The history with one more attempt, the oldest left out: as `remembered` of src/tasks/rules.ts.
create function nitka.remember(history jsonb, attempt jsonb) returns jsonb language sql stable as $$
  select case when jsonb_array_length(history) > 19 then history - 0 else history end || jsonb_build_array(attempt)
$$;

-- Adds the tasks of several calls in order, each call all or nothing. One row a task: `added`, `repeated` (`id` is the other
-- task's), `conflict` (its key was used for another payload) or `full`, in which its call was refused for it, or `refused`
-- because of another one of its call.
--
-- `t_call` counts the calls. `t_hash` is of the payload, and only needed with a key. `f_*` are queues that may take only so
-- many tasks more. Adding an id again changes nothing. With `patience_ms` it waits no longer for a key that somebody has locked:
-- then nothing is added.
create function nitka.add_tasks(
  t_call int[], t_id text[], t_queue text[], t_payload text[], t_priority int[], t_time bigint[], t_delay bigint[],
  t_key text[], t_hash text[], t_group text[], t_attempts int[], t_lease bigint[],
  t_kind text[], t_backoff bigint[], t_backoff_max bigint[], t_room text[],
  f_queue text[], f_room bigint[], window_ms bigint, patience_ms int default null
) returns table (pos int, outcome text, id text)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  total int := cardinality(t_id);
  now bigint := nitka.now_ms();
  known record;
  known_id text[] := array_fill(null::text, array[greatest(total, 1)]);
  known_hash text[] := array_fill(null::text, array[greatest(total, 1)]);
  same int[];
  -- Of each task: 0 added, -1 a repeat of the past, n a repeat of task n.
  fate int[] := array_fill(0, array[greatest(total, 1)]);
  refusal text[] := array_fill(null::text, array[greatest(total, 1)]);
  room bigint[] := f_room;
  room_before bigint[];
  at int := 1;
  upto int;
  i int;
  p int;
  f int;
  wrong boolean;
  keyed boolean := array_remove(t_key, null) <> '{}';
begin
  if patience_ms is not null then perform set_config('lock_timeout', patience_ms::text, true); end if;
  if keyed then
    -- Who wants the same key waits here until this is committed.
    for known in
      with held as (
        insert into nitka.task_keys as k (queue, key, hash, id, stored)
          select distinct w.queue, w.key, '', '', 0 from unnest(t_queue, t_key) as w (queue, key)
            where w.key is not null order by w.queue, w.key
          on conflict (queue, key) do update set stored = k.stored
          returning k.queue, k.key, k.hash, k.id, k.stored
      )
      select w.pos::int as pos, held.hash, held.id, now - held.stored < window_ms as fresh,
             lag(w.pos::int) over (partition by w.queue, w.key order by w.pos) as before
        from unnest(t_queue, t_key) with ordinality as w (queue, key, pos)
        join held on held.queue = w.queue and held.key = w.key
    loop
      same[known.pos] := known.before;
      if known.fresh then
        known_id[known.pos] := known.id;
        known_hash[known.pos] := known.hash;
      end if;
    end loop;
  end if;

  while (keyed or cardinality(f_queue) > 0) and at <= total loop
    upto := at;
    while upto < total and t_call[upto + 1] = t_call[at] loop upto := upto + 1; end loop;
    wrong := false;
    room_before := room;
    for i in at..upto loop
      if t_key[i] is not null then
        p := same[i];
        while p is not null and refusal[p] is not null loop p := same[p]; end loop;
        if p is not null then
          fate[i] := case when fate[p] = 0 then p else fate[p] end;
          if t_hash[p] <> t_hash[i] then refusal[i] := 'conflict'; end if;
          known_id[i] := known_id[p];
        elsif known_id[i] is not null then
          fate[i] := -1;
          if known_hash[i] <> t_hash[i] then refusal[i] := 'conflict'; end if;
        end if;
      end if;
      f := array_position(f_queue, t_queue[i]);
      if fate[i] = 0 and f is not null then
        room[f] := room[f] - 1;
        if room[f] < 0 then refusal[i] := 'full'; end if;
      end if;
      wrong := wrong or refusal[i] is not null;
    end loop;
    if wrong then
      room := room_before;
      for i in at..upto loop refusal[i] := coalesce(refusal[i], 'refused'); end loop;
    end if;
    at := upto + 1;
  end loop;

  insert into nitka.task_queues (queue)
    select distinct w.queue from unnest(t_queue, refusal) as w (queue, refusal)
      where w.refusal is null and not exists (select from nitka.task_queues q where q.queue = w.queue)
      order by w.queue
    on conflict do nothing;
  with fresh as (
    insert into nitka.tasks (
      id, queue, rank, state, priority, lane, max_attempts, "until", lease_ms, time, delay_ms,
      backoff_kind, backoff_ms, backoff_max, key, room, payload
    )
      select w.id, w.queue, 1001 - w.priority, case when w.delay > 0 then 1 else 0 end, w.priority, coalesce(w.lane, ''),
             w.attempts, case when w.delay > 0 then now + w.delay end, w.lease, w.time, w.delay,
             w.kind, w.backoff, w.backoff_max, w.key, w.room, w.payload
        from unnest(
          t_id, t_queue, t_priority, t_delay, t_group, t_attempts, t_lease, t_time,
          t_kind, t_backoff, t_backoff_max, t_key, t_room, t_payload, fate, refusal
        ) with ordinality as w (
          id, queue, priority, delay, lane, attempts, lease, time,
          kind, backoff, backoff_max, key, room, payload, fate, refusal, pos
        )
        where w.fate = 0 and w.refusal is null and w.id is not null
        order by w.pos
      on conflict (id) do nothing
      returning id, queue, state
  )
  insert into nitka.task_changes (queue, state, change) select queue, state, count(*) from fresh group by queue, state;
  if keyed then
    update nitka.task_keys k set hash = w.hash, id = w.id, stored = now
      from unnest(t_queue, t_key, t_hash, t_id, fate, refusal) as w (queue, key, hash, id, fate, refusal)
      where w.fate = 0 and w.refusal is null and k.queue = w.queue and k.key = w.key;
    delete from nitka.task_keys k
      using (select distinct w.queue, w.key from unnest(t_queue, t_key) as w (queue, key) where w.key is not null) w
      where k.queue = w.queue and k.key = w.key and k.stored = 0;
  end if;

  for i in 1..total loop
    pos := i;
    p := case when fate[i] > 0 then fate[i] else i end;
    id := case when fate[i] = -1 then known_id[i] else t_id[p] end;
    outcome := coalesce(refusal[i], case when fate[i] = 0 then 'added' else 'repeated' end);
    return next;
  end loop;
end
$$;

-- Which of these keys another transaction has locked or is just using, and where the key is null, which queues it is just making; by
-- their numbers. That shows only in trying it, which is undone. Once that has taken `look_ms` the others count as locked.
create function nitka.locked_keys(t_queue text[], t_key text[], look_ms int) returns setof int
language plpgsql as $$
declare
  began timestamptz := clock_timestamp();
  i int;
begin
  perform set_config('lock_timeout', '2', true);
  for i in 1..cardinality(t_queue) loop
    if clock_timestamp() > began + look_ms * interval '1 ms' then
      return next i;
      continue;
    end if;
    begin
      if t_key[i] is null then
        insert into nitka.task_queues (queue) values (t_queue[i]) on conflict do nothing;
      else
        insert into nitka.task_keys as k (queue, key, hash, id, stored) values (t_queue[i], t_key[i], '', '', 0)
          on conflict (queue, key) do update set stored = k.stored;
      end if;
      raise exception using errcode = 'NT000';
    exception
      when sqlstate 'NT000' then null;
      when lock_not_available then return next i;
    end;
  end loop;
end
$$;
