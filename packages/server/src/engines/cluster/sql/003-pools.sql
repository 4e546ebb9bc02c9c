-- Records of pools, and fencing numbers.

create table nitka.pool_records (
  kind text collate "C" not null,
  pool text collate "C" not null,
  id text collate "C" not null,
  value text not null,
  primary key (kind, pool, id)
);

-- Writes in order; the last of one record counts. A null value removes.
create function nitka.save_pools(r_kind text[], r_pool text[], r_id text[], r_value text[])
returns void language sql as $$
  with last as (
    select distinct on (kind, pool, id) kind, pool, id, value
      from unnest(r_kind, r_pool, r_id, r_value) with ordinality as r (kind, pool, id, value, pos)
      order by kind, pool, id, pos desc
  ),
  gone as (
    delete from nitka.pool_records p using last
      where last.value is null and p.kind = last.kind and p.pool = last.pool and p.id = last.id
  )
  insert into nitka.pool_records (kind, pool, id, value)
    select kind, pool, id, value from last where value is not null
    on conflict (kind, pool, id) do update set value = excluded.value
$$;

-- So many fencing numbers that nobody else has or had: the first of them.
create function nitka.take_tokens(so_many bigint) returns bigint language sql as $$
  update nitka.meta set fence = fence + so_many
    returning generation * 4294967296 + fence - so_many + 1
$$;
