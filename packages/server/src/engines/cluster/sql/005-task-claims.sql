-- Claims: who gets which task, in which turn.

-- The next tasks of a queue with groups, round robin: the groups by name, beginning after the one that had the last turn,
-- the tasks without a group as one of them. Only under the queue's turn. `more`: somebody else had hold of one, ask again.
--
-- Groups that may have no more are read once and passed over; there are never more of them than leases and failed tasks.
create function nitka.next_of_groups(a_queue text, last text, concurrency int, strict boolean, most int)
returns table (tids tid[], sizes int[], more boolean) language plpgsql as $$
#variable_conflict use_column
declare
  busy text[] := '{}';
  busy_held int[] := '{}';
  lanes text[] := '{}';
  caps int[] := '{}';
  offs int[] := '{}';
  at text := last;
  around boolean := false;
  lane_found text;
  cap int;
  p int;
  need int := most;
  quota int;
  turn record;
  got_tids tid[] := '{}';
  got_sizes int[] := '{}';
  last_lane text;
begin
  if strict or concurrency > 0 then
    select coalesce(array_agg(b.lane), '{}'), coalesce(array_agg(b.held), '{}') into busy, busy_held
      from (
        select t.lane, (count(*) filter (where t.state = 2))::int as held from nitka.tasks t
          where t.queue = a_queue and t.lane <> '' and (t.state = 2 or (t.state = 1 and t.attempt > 0)) group by t.lane
      ) b;
  end if;
  while cardinality(lanes) < most loop
    select t.lane into lane_found from nitka.tasks t
      where t.queue = a_queue and t.state = 0 and t.lane > at order by t.lane limit 1;
    if not found or (around and lane_found > last) then
      exit when around;
      around := true;
      at := '';
      if exists (select from nitka.tasks t where t.queue = a_queue and t.state = 0 and t.lane = '') then
        lanes := lanes || ''::text;
        caps := caps || most;
      end if;
      continue;
    end if;
    at := lane_found;
    p := array_position(busy, at);
    cap := case when strict then case when p is null then 1 else 0 end
                when concurrency = 0 then most
                else concurrency - coalesce(busy_held[p], 0) end;
    if cap > 0 then
      lanes := lanes || at;
      caps := caps || least(cap, most);
    end if;
  end loop;
  offs := array_fill(0, array[cardinality(lanes)]);
  -- Each gets an even share; what some do not use is shared again by the others.
  while need > 0 and cardinality(lanes) > 0 loop
    quota := (need + cardinality(lanes) - 1) / cardinality(lanes);
    with line as (
      select * from unnest(lanes, caps, offs) with ordinality as l (lane, cap, off, pos)
    ), got as materialized (
      select l.pos, l.lane, s.tid, s.size, s.r
        from line l cross join lateral (
          select n.tid, n.size, row_number() over (order by n.rank, n.seq) as r
            from (
              select t.ctid as tid, octet_length(t.payload) as size, t.rank, t.seq from nitka.tasks t
                where t.queue = a_queue and t.state = 0 and t.lane = l.lane
                order by t.rank, t.seq offset l.off limit least(quota, l.cap - l.off)
            ) n
        ) s
    ), chosen as (
      select * from got order by r, pos limit need
    ), left_over as (
      select l.pos, l.lane, l.cap, l.off + c.count::int as off
        from line l join (select pos, count(*) from got group by pos) c on c.pos = l.pos
        where c.count = least(quota, l.cap - l.off) and l.off + c.count < l.cap
    )
    select (select array_agg(c.tid order by c.r, c.pos) from chosen c) as tids,
           (select array_agg(c.size order by c.r, c.pos) from chosen c) as sizes,
           (select c.lane from chosen c order by c.r desc, c.pos desc limit 1) as lane,
           (select array_agg(o.lane order by o.pos) from left_over o) as lanes,
           (select array_agg(o.cap order by o.pos) from left_over o) as caps,
           (select array_agg(o.off order by o.pos) from left_over o) as offs
      into turn;
    exit when turn.tids is null;
    got_tids := got_tids || turn.tids;
    got_sizes := got_sizes || turn.sizes;
    last_lane := turn.lane;
    need := need - cardinality(turn.tids);
    lanes := coalesce(turn.lanes, '{}');
    caps := coalesce(turn.caps, '{}');
    offs := coalesce(turn.offs, '{}');
  end loop;
  if last_lane is not null then
    update nitka.task_queues q set last_group = last_lane where q.queue = a_queue and q.last_group <> last_lane;
  end if;
  select array_agg(f.tid order by f.n), array_agg(f.size order by f.n) into tids, sizes
    from (
      select w.n, t.ctid as tid, w.size from unnest(got_tids, got_sizes) with ordinality as w (tid, size, n)
        join nitka.tasks t on t.ctid = w.tid
        where t.state = 0
        for update of t skip locked
    ) f;
  more := coalesce(cardinality(tids), 0) < cardinality(got_tids);
  return next;
end
$$;

-- Leases tasks for several callers, in their order. A row a task, in the order in which they are handed out; a row without an
-- id says that its call, from 1, may get more when it asks again.
--
-- Without groups, nodes claim beside each other: each takes the first tasks that nobody else is just taking. A queue with
-- groups is claimed by one after the other.
create function nitka.claim_tasks(c_queue text[], c_worker text[], c_limit int[], a_node text, bytes_max bigint)
returns table (
  call int, id text, queue text, payload text, priority smallint, "time" bigint, delay_ms bigint, key text, lane text,
  max_attempts int, lease_ms bigint, backoff_kind text, backoff_ms bigint, backoff_max bigint, room text,
  attempt int, token text, worker text, "until" bigint, now bigint
)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  wall bigint := nitka.now_ms();
  grouped text[] := '{}';
  name text;
  q record;
  tids tid[];
  sizes int[];
  again boolean;
  fit int;
  claim text;
begin
  for name in
    select w.queue from (select distinct u.queue from unnest(c_queue) as u (queue)) w
      where exists (select from nitka.tasks t where t.queue = w.queue and t.state = 0 and t.lane > '')
      order by w.queue
  loop
    perform pg_advisory_xact_lock(hashtextextended('nitka.tasks.' || name, 0));
    grouped := grouped || name;
  end loop;
  for i in 1..cardinality(c_queue) loop
    select * into q from nitka.task_queues t where t.queue = c_queue[i];
    continue when not found or q.paused;
    again := false;
    if c_queue[i] = any (grouped) then
      select n.tids, n.sizes, n.more into tids, sizes, again
        from nitka.next_of_groups(c_queue[i], q.last_group, q.group_concurrency, q.ordered, c_limit[i]) n;
    else
      select array_agg(f.tid order by f.rank, f.seq), array_agg(f.size order by f.rank, f.seq) into tids, sizes
        from (
          select t.ctid as tid, t.rank, t.seq, octet_length(t.payload) as size from nitka.tasks t
            where t.queue = c_queue[i] and t.state = 0 and t.lane = ''
            order by t.rank, t.seq limit c_limit[i]
            for update skip locked
        ) f;
    end if;
    if tids is not null then
      select count(*) into fit
        from (select n, sum(size) over (order by n) as bytes from unnest(sizes) with ordinality as s (size, n)) s
        where n = 1 or bytes <= bytes_max;
      again := again or fit < cardinality(tids);
      claim := to_hex(nextval('nitka.task_claims'));
      return query
        with taken as (
          update nitka.tasks t
            set state = 2, attempt = t.attempt + 1, token = (t.attempt + 1) || '.' || claim, worker = c_worker[i],
                node = a_node, started = wall, begun = wall, "until" = wall + t.lease_ms, held_ms = t.lease_ms, restarts = 0
            from unnest(tids[1:fit]) with ordinality as w (tid, n)
            where t.ctid = w.tid
            returning w.n, t.*
        ), noted as (
          insert into nitka.task_changes (queue, state, change) values (c_queue[i], 0, -fit), (c_queue[i], 2, fit)
        )
        select i, t.id, t.queue, t.payload, t.priority, t.time, t.delay_ms, t.key, t.lane, t.max_attempts, t.lease_ms,
               t.backoff_kind, t.backoff_ms, t.backoff_max, t.room, t.attempt, t.token, t.worker, t."until", wall
          from taken t order by t.n;
    end if;
    if again then
      call := i;
      id := null;
      return next;
    end if;
  end loop;
end
$$;
