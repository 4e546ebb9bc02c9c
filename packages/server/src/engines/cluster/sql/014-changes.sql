-- Which logs got entries lately, for nodes that look for what the bus lost. Not an index over `logs`: that made each append
-- write all indexes of the log's row, and cost up to a third of them.

-- A row for each log and transaction. Unlogged: after a crash of Postgres it is empty, and everybody compares everything once.
create unlogged table nitka.changes (xid xid8 not null, log bigint not null);
create index changes_by_xid on nitka.changes (xid);

-- What is older than `kept` was forgotten. No row: Postgres has crashed, and nothing is remembered until `tidy_changes` is called.
create unlogged table nitka.changes_kept (
  one boolean primary key default true check (one),
  -- Names what is remembered: where a copy took the place of the database, other transactions have the same numbers.
  past uuid not null default gen_random_uuid(),
  kept xid8 not null,
  -- What is to be forgotten next, and when that was settled.
  next xid8 not null,
  since timestamptz not null default clock_timestamp()
);

insert into nitka.changes_kept (kept, next) select xmin, xmin from pg_snapshot_xmin(pg_current_snapshot()) as xmin;

-- Which logs got entries since `mark` and where they stand, and the mark for the next time. One row without a log when there are none.
-- `known` is false when that is not remembered any more, or is of more than so many stored batches; then the logs are not all.
--
-- The mark is a snapshot, and the past that it is of: told is what was stored by transactions that were open then, or began since. One that
-- stored before and commits later is not passed over, as it would be by a time or a sequence, and makes nothing be told twice.
--
-- Costs what was stored since. One transaction that stays open keeps all rows from being forgotten, and how few of them are asked for
-- the planner does not know: it would read them all.
create function nitka.changes(mark text, most int)
returns table (next_mark text, known boolean, kind text, id text, head bigint)
language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with recent as materialized (
    select c.log from nitka.changes c
      where c.xid >= pg_snapshot_xmax(split_part(mark, ' ', 1)::pg_snapshot) and c.xid < pg_snapshot_xmax(pg_current_snapshot())
    union all
    select c.log from pg_snapshot_xip(split_part(mark, ' ', 1)::pg_snapshot) as open (xid) join nitka.changes c on c.xid = open.xid
    limit most + 1
  )
  select concat_ws(' ', pg_current_snapshot(), (select k.past from nitka.changes_kept k)),
         exists (
           select from nitka.changes_kept k
             where k.past::text = split_part(mark, ' ', 2)
               and k.kept <= pg_snapshot_xmin(split_part(mark, ' ', 1)::pg_snapshot)
               and pg_snapshot_xmax(pg_current_snapshot()) >= pg_snapshot_xmax(split_part(mark, ' ', 1)::pg_snapshot)
         ) and (select count(*) from recent) <= most,
         l.kind, l.id, l.head
    from (values (1)) as one
    left join (select distinct r.log from recent r) c on true
    left join nitka.logs l on l.no = c.log
$$;

-- Forgets what is older than `keep`, up to so many rows. Returns how many; 0 also while another node is at it. That a time
-- has passed is known for a transaction, `next`, so that none has to be kept with each row.
create function nitka.tidy_changes(keep interval, at_most int) returns int
language plpgsql as $$
declare
  settled nitka.changes_kept;
  removed int := 0;
begin
  insert into nitka.changes_kept (kept, next)
    select xmin, xmin from pg_snapshot_xmin(pg_current_snapshot()) as xmin on conflict do nothing;
  select * into settled from nitka.changes_kept for update skip locked;
  if not found then return 0; end if;
  if settled.since < clock_timestamp() - keep then
    update nitka.changes_kept
      set kept = next, next = pg_snapshot_xmin(pg_current_snapshot()), since = clock_timestamp()
      returning * into settled;
  end if;
  delete from nitka.changes c where c.ctid = any (array(
    select o.ctid from nitka.changes o where o.xid < settled.kept order by o.xid limit at_most
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;
