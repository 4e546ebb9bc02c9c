-- The move of an embedded store into this database: how far it has come. Until it has ended, no node starts here.

create table nitka.move (
  one boolean primary key default true check (one),
  -- The epoch of the store, and its last batch: the same store, and nothing was written to it since.
  source text not null,
  batch bigint not null,
  -- The last record that is here, in which section; the pieces after it are not.
  section text not null default '',
  position text not null default '',
  copied bigint not null default 0,
  -- All of it is here.
  settled boolean not null default false,
  begun timestamptz not null default clock_timestamp(),
  -- Compared, and found to be the same.
  ended timestamptz
);

-- Begins a move, or goes on with it. Answers `begun`, `resumed`, `ended` (before), or why not: `nodes`, `other` (another store
-- is being moved here, or was), `changed` (the store was written to since), or the name of a table that holds something.
create function nitka.begin_move(a_source text, a_batch bigint) returns text language plpgsql as $$
declare
  found_move nitka.move;
  name text;
  filled boolean;
begin
  -- A node that registers does so before, and is seen here, or after, and sees the move.
  perform pg_advisory_xact_lock(7365216442);
  if exists (select from nitka.nodes n where n.until > clock_timestamp()) then return 'nodes'; end if;
  -- A piece of a process that was killed may still be under way.
  select * into found_move from nitka.move for update;
  if found then
    return case
      when found_move.source <> a_source then 'other'
      when found_move.batch <> a_batch then 'changed'
      when found_move.ended is not null then 'ended'
      else 'resumed'
    end;
  end if;
  foreach name in array array[
    'logs', 'entries', 'sent', 'cursors', 'rooms', 'members', 'pool_records', 'task_queues', 'tasks', 'task_keys', 'task_counts'
  ] loop
    execute format('select exists (select from nitka.%I)', name) into filled;
    if filled then return name; end if;
  end loop;
  insert into nitka.move (source, batch) values (a_source, a_batch);
  return 'begun';
end
$$;

-- After the last piece: what is derived of the records, and the past that clients know. May be done again.
create function nitka.settle_move(a_epoch text, a_generation bigint, a_fence bigint) returns void language plpgsql as $$
begin
  update nitka.meta set epoch = a_epoch, generation = a_generation, fence = a_fence;
  delete from nitka.task_counts where state <> 3;
  insert into nitka.task_counts (queue, state, count)
    select queue, state, count(*) from nitka.tasks where state <> 3 group by queue, state;
  perform setval('nitka.task_arrivals', greatest(max(seq), 1)) from nitka.tasks;
  -- Nobody could report meanwhile: with the first node that starts, leases get their full length again.
  update nitka.task_clock set started = 'epoch', beat = 0;
  update nitka.move set settled = true;
end
$$;
