-- What people do to tasks by hand, how queues stand, and what is forgotten.

-- Tries dead letters again, or removes them: those named, or up to `most` of a queue, of all queues without one. Gives the
-- queues and how many.
create function nitka.dead_tasks(ids text[], a_queue text, most int, again boolean)
returns table (queue text, count bigint)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  tids tid[];
begin
  if ids is null then
    ids := array(
      select t.id from nitka.tasks t where t.state = 4 and (a_queue is null or t.queue = a_queue)
        order by t.queue, t.id limit most
    );
  end if;
  select array_agg(s.tid) into tids
    from (select t.ctid as tid from nitka.tasks t where t.id = any (ids) and t.state = 4 order by t.id for update) s;
  if again then
    return query
      with done as (
        update nitka.tasks t set state = 0, rank = 1001 - t.priority, failures = 0 from unnest(tids) as w (tid)
          where t.ctid = w.tid returning t.queue
      ), counted as materialized (
        select queue, count(*) from done group by queue
      ), noted as (
        insert into nitka.task_changes (queue, state, change)
          select queue, 4, -count from counted union all select queue, 0, count from counted
      )
      select * from counted;
  else
    return query
      with done as (
        delete from nitka.tasks t using unnest(tids) as w (tid) where t.ctid = w.tid returning t.queue
      ), counted as materialized (
        select queue, count(*) from done group by queue
      ), noted as (
        insert into nitka.task_changes (queue, state, change) select queue, 4, -count from counted
      )
      select * from counted;
  end if;
end
$$;

-- Removes up to `most` ready and delayed tasks of a queue. Gives how many.
create function nitka.purge_tasks(a_queue text, most int) returns int
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
declare
  tids tid[];
  total int;
begin
  tids := array(
    select t.ctid from nitka.tasks t where t.queue = a_queue and t.state = 0
      order by t.lane, t.rank, t.seq limit most for update skip locked
  );
  tids := tids || array(
    select t.ctid from nitka.tasks t where t.queue = a_queue and t.state = 1
      order by t.id limit most - cardinality(tids) for update skip locked
  );
  with gone as (
    delete from nitka.tasks t using unnest(tids) as w (tid) where t.ctid = w.tid returning t.state
  ), counted as materialized (
    select state, count(*) from gone group by state
  ), noted as (
    insert into nitka.task_changes (queue, state, change) select a_queue, state, -count from counted
  )
  select coalesce(sum(count), 0) into total from counted;
  return total;
end
$$;

-- Changes settings of a queue; null: as it is. Makes the queue when it is not there.
create function nitka.configure_queue(a_queue text, a_paused int, a_concurrency int, a_ordered int)
returns table (paused boolean, group_concurrency int, ordered boolean) language sql as $$
  insert into nitka.task_queues as q (queue, paused, group_concurrency, ordered)
    values (a_queue, coalesce(a_paused, 0) = 1, coalesce(a_concurrency, 0), coalesce(a_ordered, 0) = 1)
    on conflict (queue) do update set
      paused = coalesce(a_paused = 1, q.paused),
      group_concurrency = coalesce(a_concurrency, q.group_concurrency),
      ordered = coalesce(a_ordered = 1, q.ordered)
    returning q.paused, q.group_concurrency, q.ordered
$$;

-- How all queues stand, at one moment. `oldest`: when the first ready task was added. `due`: when the next lease ends or the
-- next delay is over, in any queue. Costs as much as there are queues, and changes since the last adding up.
create function nitka.task_overview()
returns table (
  queue text, paused boolean, group_concurrency int, ordered boolean,
  ready bigint, delayed bigint, leased bigint, done bigint, dead bigint, oldest bigint, due bigint, now bigint
)
language sql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
  with counts as materialized (
    select c.queue, sum(c.count) filter (where c.state = 0) as ready, sum(c.count) filter (where c.state = 1) as delayed,
           sum(c.count) filter (where c.state = 2) as leased, sum(c.count) filter (where c.state = 3) as done,
           sum(c.count) filter (where c.state = 4) as dead
      from (
        select t.queue, t.state, t.count from nitka.task_counts t union all
        select t.queue, t.state, t.change from nitka.task_changes t
      ) c
      group by c.queue
  )
  select q.queue, q.paused, q.group_concurrency, q.ordered, coalesce(c.ready, 0)::bigint, coalesce(c.delayed, 0)::bigint,
         coalesce(c.leased, 0)::bigint, coalesce(c.done, 0)::bigint, coalesce(c.dead, 0)::bigint,
         case when c.ready > 0 then (
           select t.time from nitka.tasks t where t.queue = q.queue and t.state = 0 order by t.lane, t.rank, t.seq limit 1
         ) end,
         (select t."until" from nitka.tasks t where t.state in (1, 2) order by t."until" limit 1), nitka.now_ms()
    from nitka.task_queues q left join counts c on c.queue = q.queue
    order by q.queue
$$;

-- What became of leases that a node believes in: a row for each that is over. `how` is null when nobody knows any more.
create function nitka.ended_leases(l_id text[], l_token text[], l_attempt int[])
returns table (id text, token text, how text, reason text, dead int)
language sql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
  select l.id, l.token, h.entry ->> 'outcome', h.entry ->> 'reason',
         case when t.state = 4 and t.token = l.token then 1 else 0 end
    from unnest(l_id, l_token, l_attempt) as l (id, token, attempt)
    left join nitka.tasks t on t.id = l.id
    left join lateral (
      select e.entry from jsonb_array_elements(t.history) as e (entry)
        where (e.entry ->> 'number')::int = l.attempt and e.entry ->> 'outcome' <> 'stale' limit 1
    ) h on true
    where t.state is distinct from 2 or t.token is distinct from l.token
$$;

-- Adds up counts, and forgets done tasks and keys that are old, at most `piece` of each. One node at a time: false at once
-- when another one is at it. True: there may be more.
create function nitka.tidy_tasks(done_ms bigint, keys_ms bigint, piece int) returns boolean
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
declare
  wall bigint := nitka.now_ms();
  tids tid[];
  so_many int;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('nitka.tidy_tasks', 0)) then return false; end if;
  with gone as (
    delete from nitka.task_changes returning queue, state, change
  )
  insert into nitka.task_counts as c (queue, state, count)
    select queue, state, sum(change) from gone group by queue, state order by queue, state
    on conflict (queue, state) do update set count = c.count + excluded.count;
  tids := array(
    select t.ctid from nitka.tasks t where t.state = 3 and t."until" < wall - done_ms
      order by t."until" limit piece for update skip locked
  );
  delete from nitka.tasks t where t.ctid = any (tids);
  so_many := cardinality(tids);
  tids := array(
    select k.ctid from nitka.task_keys k where k.stored > 0 and k.stored <= wall - keys_ms
      order by k.stored limit piece for update skip locked
  );
  delete from nitka.task_keys k where k.ctid = any (tids);
  return greatest(so_many, cardinality(tids)) = piece;
end
$$;
