-- What ends leases: reports, time, workers that went, burials by hand; and what is done to tasks in no lease.

-- The table of reports: as `judge` of src/tasks/rules.ts.
create function nitka.judge(
  state int, token text, attempt int, worker text, r_token text, r_worker text, succeeded boolean
) returns text language sql immutable as $$
  select case
    when state = 3 then 'already'
    when succeeded then
      case when v.current then 'settle' when state = 2 then 'note' when state = 4 and v.issued then 'settle' else 'stale' end
    when state = 4 then case when v.issued then 'dead' else 'stale' end
    when state <> 2 then case when v.current then 'failed' else 'stale' end
    when not v.current then 'note'
    when r_token is null and r_worker is not null and r_worker is distinct from worker then 'note'
    else 'fail'
  end
  from (
    select c.current, c.current or
        case when r_token ~ '^[1-9]\d{0,8}\.[0-9a-z]{1,10}$' then split_part(r_token, '.', 1)::int <= attempt else false end
        as issued
      from (select r_token is null or r_token is not distinct from token as current) c
  ) v
$$;

-- How long a task waits after a failure: as `backoffMs` of src/tasks/rules.ts.
create function nitka.backoff_ms(kind text, ms bigint, max_ms bigint, failures int, chance double precision)
returns bigint language sql immutable as $$
  select case when kind = 'fixed' then ms else
    floor(least(
      max_ms::double precision,
      ms * 2.0::double precision ^ least(failures - 1, 40) * (1 + chance / 2)
    ) + 0.5)::bigint
  end
$$;

-- Settles or fails tasks in the order of the reports: of several about one task a later one sees what an earlier one did. A row
-- a report, in any order. `ended` 1: it ended the lease of which the rest tells.
create function nitka.report_tasks(r_id text[], r_token text[], r_done int[], r_worker text[], r_reason text[])
returns table (
  pos int, outcome text, ended int, queue text, worker text, attempt int, token text, lost int, dead int, ready int,
  "until" bigint, now bigint
)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  wall bigint := nitka.now_ms();
  part_of int[];
  parts int;
begin
  perform from (select from nitka.tasks t where t.id = any (r_id) order by t.id for update) s;
  select array_agg(o.nth order by o.pos), max(o.nth) into part_of, parts
    from (
      select w.pos, row_number() over (partition by w.id order by w.pos) as nth from unnest(r_id) with ordinality as w (id, pos)
    ) o;
  for part in 1..parts loop
    return query
      with judged as materialized (
        select a.pos, a.token as r_token, a.worker as r_worker, a.reason, t.tid, t.queue, t.state, t.token, t.attempt, t.worker,
               t.failures, t.max_attempts, t.lane <> '' and q.ordered as front,
               case when t.state = 2 and t.token = a.token then case a.done when 1 then 'settle' else 'fail' end
                    else nitka.judge(t.state, t.token, t.attempt, t.worker, a.token, a.worker, a.done = 1) end as verdict,
               case when a.done = 0 then
                 nitka.backoff_ms(t.backoff_kind, t.backoff_ms, t.backoff_max, t.failures + 1, random()) end as wait
          from unnest(r_id, r_token, r_done, r_worker, r_reason, part_of) with ordinality
              as a (id, token, done, worker, reason, nth, pos)
            left join lateral (select t.ctid as tid, t.* from nitka.tasks t where t.id = a.id) t on true
            left join nitka.task_queues q on q.queue = t.queue
          where a.nth = part
      ), planned as materialized (
        select j.*,
               case when j.state is null then null
                    when j.verdict = 'settle' then 3
                    when j.verdict <> 'fail' then j.state
                    when j.failures + 1 >= j.max_attempts then 4
                    when j.wait > 0 then 1
                    else 0 end as next,
               case when j.r_worker is null then j.r_token is null and j.attempt > 1 else j.r_worker is distinct from j.worker end
                 as another
          from judged j
      ), changed as (
        update nitka.tasks t set
            state = p.next,
            failures = t.failures + case when p.verdict = 'fail' then 1 else 0 end,
            rank = case when p.verdict <> 'fail' then t.rank when p.front then 0 else 1001 - t.priority end,
            "until" = case when p.next = 3 then wall when p.next = 1 then wall + p.wait when p.next = 2 then t."until" end,
            history = nitka.remember(t.history, case
              when p.verdict = 'settle' and p.state = 2 then nitka.attempt(t.attempt, t.worker, t.started, wall, 'done', null)
              when p.verdict = 'settle' then
                nitka.attempt(t.attempt, coalesce(p.r_worker, ''), wall, wall, 'done', 'reported after the lease had ended')
              when p.verdict = 'fail' then nitka.attempt(t.attempt, t.worker, t.started, wall, 'failed', p.reason)
              else nitka.attempt(
                case when substring(p.r_token from '^\d{1,9}')::int between 1 and t.attempt - 1
                  then substring(p.r_token from '^\d{1,9}')::int else greatest(t.attempt - 1, 0) end,
                coalesce(p.r_worker, ''), t.started, wall, 'stale', p.reason)
            end)
          from planned p
          where t.ctid = p.tid and p.verdict in ('settle', 'fail', 'note')
      ), noted as (
        insert into nitka.task_changes (queue, state, change)
          select c.queue, c.state, sum(c.change) from (
            select p.queue, p.state, -1 as change from planned p where p.tid is not null and p.verdict in ('settle', 'fail')
            union all
            select p.queue, p.next, 1 from planned p where p.tid is not null and p.verdict in ('settle', 'fail')
          ) c group by c.queue, c.state having sum(c.change) <> 0
      )
      select p.pos::int,
             case when p.state is null then 'unknown' when p.verdict = 'settle' then 'done'
                  when p.verdict = 'fail' then case when p.next = 4 then 'dead' else 'failed' end
                  when p.verdict = 'note' then 'stale' else p.verdict end,
             case when p.state = 2 and p.verdict in ('settle', 'fail') then 1 else 0 end,
             p.queue, p.worker, p.attempt, p.token,
             case when p.another then 1 else 0 end,
             case when p.next = 4 then 1 else 0 end,
             -- Its end may let others of its group go on, too.
             case when p.next = 0 or (p.state <> p.next and p.state in (1, 2)) then 1 else 0 end,
             case when p.next = 1 and p.verdict = 'fail' then wall + p.wait end, wall
        from planned p;
  end loop;
end
$$;

-- Ends leases of tasks that the caller has locked. `how`: `expired` and `released` as failed attempts without back-off,
-- `unsent` as if they had never been, `buried` as dead letters.
create function nitka.end_leases(a_tids tid[], how text, reason text, wall bigint)
returns table (id text, queue text, worker text, attempt int, token text, dead int)
language sql as $$
  with planned as materialized (
    select t.ctid as tid, t.id, t.queue, t.worker, t.attempt, t.token, t.lane <> '' and q.ordered as front,
           case when how = 'buried' or (how <> 'unsent' and t.failures + 1 >= t.max_attempts) then 4 else 0 end as next
      from unnest(a_tids) as w (tid) join nitka.tasks t on t.ctid = w.tid join nitka.task_queues q on q.queue = t.queue
  ), changed as (
    update nitka.tasks t set
        state = p.next,
        "until" = null,
        failures = t.failures + case when how in ('expired', 'released') then 1 else 0 end,
        rank = case when p.front then 0 else 1001 - t.priority end,
        history = case when how = 'unsent' then t.history else
          nitka.remember(t.history, nitka.attempt(t.attempt, t.worker, t.started, wall, how, reason)) end
      from planned p
      where t.ctid = p.tid
  ), noted as (
    insert into nitka.task_changes (queue, state, change)
      select c.queue, c.state, sum(c.change) from (
        select p.queue, 2 as state, -1 as change from planned p union all select p.queue, p.next, 1 from planned p
      ) c group by c.queue, c.state
  )
  select p.id, p.queue, p.worker, p.attempt, p.token, case when p.next = 4 then 1 else 0 end from planned p
$$;

-- Gives leases that run their full length again when the database was started since, or nobody was there to look after them
-- for longer than `away_ms` (0: that is not asked): nobody could report or extend meanwhile. At most three times an
-- attempt. Notes that somebody is there.
create function nitka.wake_leases(away_ms bigint) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
declare
  wall bigint := nitka.now_ms();
  clock record;
  away boolean;
  tids tid[];
begin
  for attempt in 1..2 loop
    select * into clock from nitka.task_clock;
    away := clock.started <> pg_postmaster_start_time() or (away_ms > 0 and wall - clock.beat > away_ms);
    if not away and abs(wall - clock.beat) < 500 then return; end if;
    exit when attempt = 2;
    perform from nitka.task_clock for update;
  end loop;
  if away then
    select array_agg(s.tid) into tids
      from (select t.ctid as tid from nitka.tasks t where t.state = 2 order by t.id for update) s;
    update nitka.tasks t set
        "until" = case when t.restarts < 3 then wall + t.held_ms else greatest(wall, t.begun + t.held_ms) end,
        begun = case when t.restarts < 3 then wall else t.begun end,
        restarts = least(t.restarts + 1, 3)
      where t.ctid = any (tids);
  end if;
  update nitka.task_clock set started = pg_postmaster_start_time(), beat = wall;
end
$$;

-- Ends what leases have ended of and makes ready what was delayed until now, at most `piece` of them. Rows with an id are
-- leases that ended, rows with a queue alone have something ready, and the last row says what is due next and, by `dead` 1,
-- whether there is more of it now.
create function nitka.expire_tasks(piece int, away_ms bigint)
returns table (id text, queue text, worker text, attempt int, token text, dead int, "until" bigint, now bigint)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  wall bigint;
  held tid[];
  late tid[];
  seen int;
begin
  perform nitka.wake_leases(away_ms);
  wall := nitka.now_ms();
  select array_agg(s.tid) filter (where s.state = 2), array_agg(s.tid) filter (where s.state = 1), count(*) into held, late, seen
    from (
      select t.ctid as tid, t.state from nitka.tasks t where t.state in (1, 2) and t."until" <= wall
        order by t."until" limit piece for update skip locked
    ) s;
  if held is not null then
    return query select e.id, e.queue, e.worker, e.attempt, e.token, e.dead, null::bigint, wall
      from nitka.end_leases(held, 'expired', null, wall) e;
  end if;
  if late is not null then
    return query
      with freed as (
        update nitka.tasks t set state = 0, "until" = null from unnest(late) as w (tid) where t.ctid = w.tid returning t.queue
      ), counted as materialized (
        select queue, count(*) from freed group by queue
      ), noted as (
        insert into nitka.task_changes (queue, state, change)
          select queue, 1, -count from counted union all select queue, 0, count from counted
      )
      select null::text, c.queue, null::text, null::int, null::text, 0, null::bigint, wall from counted c;
  end if;
  id := null;
  queue := null;
  dead := case when seen = piece then 1 else 0 end;
  now := wall;
  select t."until" into "until" from nitka.tasks t where t.state in (1, 2) order by t."until" limit 1;
  return next;
end
$$;

-- Ends all leases of a worker.
create function nitka.release_tasks(a_worker text, a_node text, counts boolean)
returns table (id text, queue text, worker text, attempt int, token text, dead int)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
declare
  tids tid[];
begin
  select array_agg(s.tid) into tids
    from (
      select t.ctid as tid from nitka.tasks t
        where t.state = 2 and t.worker = a_worker and t.node = a_node order by t.id for update
    ) s;
  if tids is null then return; end if;
  return query
    select * from nitka.end_leases(tids, case when counts then 'released' else 'unsent' end, null, nitka.now_ms());
end
$$;

-- Makes a task a dead letter. A row when it is one now; with a token when a lease ended.
create function nitka.bury_task(a_id text, reason text)
returns table (id text, queue text, worker text, attempt int, token text, dead int)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  task record;
  wall bigint := nitka.now_ms();
begin
  select t.ctid as tid, t.* into task from nitka.tasks t where t.id = a_id for update;
  if not found or task.state in (3, 4) then return; end if;
  if task.state = 2 then
    return query select * from nitka.end_leases(array[task.tid], 'buried', reason, wall);
    return;
  end if;
  update nitka.tasks t
    set state = 4, "until" = null,
        history = nitka.remember(t.history, nitka.attempt(t.attempt, '', wall, wall, 'buried', reason))
    where t.id = a_id;
  insert into nitka.task_changes (queue, state, change) values (task.queue, task.state, -1), (task.queue, 4, 1);
  id := a_id;
  queue := task.queue;
  return next;
end
$$;

-- A lease that runs on: `a_ms` from now when that is given, with the worker's word on its task when that is. No row: the token
-- is not current, or the lease has ended.
create function nitka.go_on(a_id text, a_token text, a_ms bigint, a_progress text, away_ms bigint)
returns table ("until" bigint, room text, now bigint)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_column
declare
  wall bigint := nitka.now_ms();
begin
  if exists (select from nitka.tasks t where t.id = a_id and t.state = 2 and t."until" <= wall) then
    perform nitka.wake_leases(away_ms);
  end if;
  return query
    update nitka.tasks t
      set "until" = case when a_ms is null then t."until" else wall + a_ms end,
          held_ms = coalesce(a_ms, t.held_ms),
          progress = coalesce(a_progress, t.progress)
      where t.id = a_id and t.state = 2 and t.token = a_token and t."until" > wall
      returning t."until", t.room, wall;
end
$$;
