-- Nodes that are alive, and what only one of them may have. Everything is by the clock of the database.

create table nitka.nodes (
  node text collate "C" primary key,
  -- Not heard of by then, it is gone.
  until timestamptz not null,
  since timestamptz not null default clock_timestamp(),
  version text not null,
  -- The newest fence that it had heard of when it last beat.
  heard bigint not null default 0
) with (fillfactor = 50);

create table nitka.owners (
  unit text collate "C" primary key,
  -- Null: nobody.
  node text collate "C",
  fence bigint not null
) with (fillfactor = 70);
create index owners_by_fence on nitka.owners (fence);
create index owners_by_node on nitka.owners (node) where node is not null;
create index owners_of_nobody on nitka.owners (fence) where node is null;

-- Grows with every change of owner. Changes are made under a lock, so that they become visible in its order.
create sequence nitka.owner_fence;

-- Names the past that fences are of. Unlogged: after a crash of Postgres, and in a copy that takes its place, it is empty.
create unlogged table nitka.owners_past (
  one boolean primary key default true check (one),
  past uuid not null default gen_random_uuid()
);

-- The past, which begins where there is none. Whatever a copy that takes the place of the database has lost of its end, the fences and
-- the numbers of holds in that do not come again, and nobody is taken for gone because the clock is another one.
create function nitka.begin_past(lease_ms int) returns text
language plpgsql as $$
declare
  known text := (select p.past from nitka.owners_past p);
begin
  if known is not null then return known; end if;
  perform pg_advisory_xact_lock(7365216442);
  select p.past into known from nitka.owners_past p;
  if known is not null then return known; end if;
  insert into nitka.owners_past default values returning past into known;
  perform setval('nitka.owner_fence', s.last_value + 1000000) from nitka.owner_fence s;
  update nitka.meta set generation = generation + 1, fence = 0;
  update nitka.nodes n set until = clock_timestamp() + lease_ms * interval '1 ms';
  return known;
end
$$;

-- A node's beat: it lives on for another lease, gives up what it is done with, and takes what it wishes of what nobody has.
-- Answers the nodes that are alive, and every unit whose owner has changed since the fence that the node has heard of; or, with the
-- fence 1 beside the past, all units that have one, because that fence is of another past, or the node had been taken for gone.
-- A node whose lease had ended has nothing any more; what it wishes it may take anew.
create function nitka.beat(
  me text, my_version text, lease_ms int, wishes text[], done text[], heard bigint, heard_past text
) returns table (what text, name text, node text, fence bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  gone text[];
  alive boolean;
  -- First, as long as this locks nothing else.
  past text := nitka.begin_past(lease_ms);
  known bigint := case when heard_past = past then heard else 0 end;
begin
  update nitka.nodes n set until = clock_timestamp() + lease_ms * interval '1 ms', heard = known
    where n.node = me and n.until > clock_timestamp();
  alive := found;
  select array_agg(n.node) into gone from nitka.nodes n where n.until <= clock_timestamp();
  if not alive or cardinality(done) > 0 or gone is not null
    or exists (
      select from unnest(wishes) as w (unit) left join nitka.owners o on o.unit = w.unit where o.node is null
    )
  then
    perform pg_advisory_xact_lock(7365216442);
    if not alive then
      -- What was forgotten meanwhile it has not heard of.
      known := 0;
      update nitka.owners o set node = null, fence = nextval('nitka.owner_fence') where o.node = me;
      insert into nitka.nodes as n (node, until, version)
        values (me, clock_timestamp() + lease_ms * interval '1 ms', my_version)
        on conflict (node) do update
          set until = excluded.until, since = excluded.since, version = excluded.version, heard = excluded.heard;
    end if;
    -- Asked again: it may have beaten while the lock was waited for.
    with dead as (
      -- One that is just beating is not gone, and is not waited for: it waits for this one.
      delete from nitka.nodes n where n.node in (
        select g.node from nitka.nodes g where g.until <= clock_timestamp() and g.node <> me for update skip locked
      ) returning n.node
    )
    update nitka.owners o set node = null, fence = nextval('nitka.owner_fence') from dead where o.node = dead.node;
    update nitka.owners o set node = null, fence = nextval('nitka.owner_fence')
      where o.node = me and o.unit = any (done);
    insert into nitka.owners as o (unit, node, fence)
      select w.unit, me, nextval('nitka.owner_fence') from unnest(wishes) as w (unit)
      on conflict (unit) do update set node = excluded.node, fence = excluded.fence where o.node is null;
  end if;
  return query
    select 'past', past, null, case when known = 0 then 1 else 0 end::bigint
    union all
    select 'node', n.node, n.version, null::bigint from nitka.nodes n where n.until > clock_timestamp()
    union all
    select 'unit', o.unit, o.node, o.fence from nitka.owners o where o.fence > known and (known > 0 or o.node is not null);
end
$$;

-- Forgets units that nobody has, once all nodes have heard of it: clients may choose their names. Gives how many.
create function nitka.tidy_owners(at_most int) returns int
language plpgsql as $$
declare
  heard_by_all bigint := (select min(n.heard) from nitka.nodes n);
  removed int;
begin
  delete from nitka.owners o where o.unit in (
    select f.unit from nitka.owners f where f.node is null and f.fence <= heard_by_all
      order by f.fence limit at_most for update skip locked
  );
  get diagnostics removed = row_count;
  return removed;
end
$$;

-- A node leaves: it has nothing any more, at once.
create function nitka.leave(me text) returns void
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7365216442);
  delete from nitka.nodes n where n.node = me;
  update nitka.owners o set node = null, fence = nextval('nitka.owner_fence') where o.node = me;
end
$$;

-- Fails unless the node still has the unit by this fence; until the end of the transaction nobody else can get it.
create function nitka.demand_owner(wanted text, me text, by_fence bigint) returns void
language plpgsql as $$
begin
  perform from nitka.owners o where o.unit = wanted and o.node = me and o.fence = by_fence for share;
  if not found then
    raise exception 'not the owner of %', wanted using errcode = 'NK001';
  end if;
end
$$;
