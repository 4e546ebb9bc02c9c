-- What nodes tell each other by the way of the database, besides the bus: who was removed from a room, and who is there.

-- Memberships that ended, for a day: whoever ended them, so a trigger writes them.
create table nitka.removals (
  room text collate "C" not null,
  user_name text collate "C" not null,
  at timestamptz not null default clock_timestamp()
);
create index removals_by_time on nitka.removals (at);

-- Those who end memberships at the same time need not wait for each other to forget old ones: `nitka.tidy` does.
create function nitka.note_removals() returns trigger language plpgsql as $$
begin
  insert into nitka.removals (room, user_name) select room, user_name from gone;
  return null;
end
$$;

create trigger note_removals after delete on nitka.members
  referencing old table as gone for each statement execute function nitka.note_removals();

-- Who is in a room, as the nodes say of their own users. Not logged: after a crash every node says it again.
create unlogged table nitka.presence (
  room text collate "C" not null,
  user_name text collate "C" not null,
  node text collate "C" not null,
  -- Grows with each change on the node.
  version bigint not null,
  -- False for a minute: the user went.
  online boolean not null,
  changed timestamptz not null,
  primary key (room, user_name, node)
);
create index presence_by_change on nitka.presence (changed);
create index presence_left on nitka.presence (changed) where not online;
create index presence_by_node on nitka.presence (node);

-- Nodes whose rows are all there.
create unlogged table nitka.presence_nodes (
  node text collate "C" primary key
);

create function nitka.forget_presence(a_node text) returns void language plpgsql as $$
begin
  -- All nodes notice at once that one is gone: one after the other, so that they do not lock rows crosswise.
  perform pg_advisory_xact_lock(hashtextextended('nitka.presence.' || a_node, 0));
  delete from nitka.presence where node = a_node;
  delete from nitka.presence_nodes where node = a_node;
end
$$;

-- Removes what nobody asks for any more: users that went a minute ago, and what a node that is not there left behind.
create function nitka.tidy_presence() returns void language plpgsql as $$
declare
  until timestamptz := clock_timestamp() - interval '1 minute';
  known text := '';
begin
  delete from nitka.presence p where not p.online and p.changed < until;
  -- From node to node: there are few, and each has many rows.
  loop
    select p.node into known from nitka.presence p where p.node > known order by p.node limit 1;
    exit when not found;
    delete from nitka.presence p
      where p.node = known and p.changed < until and not exists (select from nitka.presence_nodes n where n.node = known);
  end loop;
end
$$;
