-- Rooms and their members.

create table nitka.rooms (
  id text collate "C" primary key,
  name text not null,
  open boolean not null,
  creator text collate "C" not null,
  time bigint not null,
  members int not null default 0
);

create table nitka.members (
  room text collate "C" not null,
  user_name text collate "C" not null,
  time bigint not null,
  primary key (room, user_name)
);
create index members_by_user on nitka.members (user_name, room);

-- Adds a member. Answers `added`, `member` (was one before), `no-room`, `room-full` or `user-full`. 0: no limit.
create function nitka.add_member(a_room text, a_user text, a_time bigint, members_max int, rooms_max int)
returns text language plpgsql as $$
declare
  so_many int;
begin
  -- The room first, then the user: everybody locks in this order.
  select members into so_many from nitka.rooms where id = a_room for update;
  if not found then return 'no-room'; end if;
  if exists (select from nitka.members where room = a_room and user_name = a_user) then return 'member'; end if;
  if members_max > 0 and so_many >= members_max then return 'room-full'; end if;
  if rooms_max > 0 then
    perform pg_advisory_xact_lock(hashtextextended('nitka.user.' || a_user, 0));
    if (select count(*) from (select from nitka.members where user_name = a_user limit rooms_max) m) >= rooms_max then
      return 'user-full';
    end if;
  end if;
  insert into nitka.members (room, user_name, time) values (a_room, a_user, a_time);
  update nitka.rooms set members = members + 1 where id = a_room;
  return 'added';
end
$$;

-- Makes a room with its creator as the first member. Answers `added`, `taken` or `user-full`.
create function nitka.create_room(a_id text, a_name text, a_open boolean, a_creator text, a_time bigint, rooms_max int)
returns text language plpgsql as $$
begin
  if exists (select from nitka.rooms where id = a_id) then return 'taken'; end if;
  if rooms_max > 0 then
    perform pg_advisory_xact_lock(hashtextextended('nitka.user.' || a_creator, 0));
    if (select count(*) from (select from nitka.members where user_name = a_creator limit rooms_max) m) >= rooms_max then
      return 'user-full';
    end if;
  end if;
  insert into nitka.rooms (id, name, open, creator, time, members) values (a_id, a_name, a_open, a_creator, a_time, 1)
    on conflict do nothing;
  if not found then return 'taken'; end if;
  insert into nitka.members (room, user_name, time) values (a_id, a_creator, a_time);
  return 'added';
end
$$;

create function nitka.remove_member(a_room text, a_user text) returns boolean language plpgsql as $$
begin
  perform from nitka.rooms where id = a_room for update;
  delete from nitka.members where room = a_room and user_name = a_user;
  if not found then return false; end if;
  update nitka.rooms set members = members - 1 where id = a_room;
  return true;
end
$$;
