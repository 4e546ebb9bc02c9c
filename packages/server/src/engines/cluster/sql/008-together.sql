-- Messages and tasks of one call: all are stored, or none.

-- `nitka.add_tasks` for one call, which fails when any task of it is refused, and so undoes what its statement or transaction did
-- before: with NT409 when a key was used for another payload, NT503 when a queue is full.
-- `refused`: what was to be stored with them was refused, so nothing is added.
create function nitka.add_together(
  refused boolean, t_call int[], t_id text[], t_queue text[], t_payload text[], t_priority int[], t_time bigint[],
  t_delay bigint[], t_key text[], t_hash text[], t_group text[], t_attempts int[], t_lease bigint[],
  t_kind text[], t_backoff bigint[], t_backoff_max bigint[], t_room text[],
  f_queue text[], f_room bigint[], window_ms bigint
) returns table (pos int, outcome text, id text) language plpgsql as $$
#variable_conflict use_column
declare
  one record;
begin
  if refused then return; end if;
  for one in
    select a.pos, a.outcome, a.id from nitka.add_tasks(
      t_call, t_id, t_queue, t_payload, t_priority, t_time, t_delay, t_key, t_hash, t_group, t_attempts, t_lease,
      t_kind, t_backoff, t_backoff_max, t_room, f_queue, f_room, window_ms
    ) a
  loop
    if one.outcome = 'conflict' then
      raise exception 'the key % was used before for another payload', t_key[one.pos] using errcode = 'NT409';
    elsif one.outcome = 'full' then
      raise exception 'the queue % has as many waiting tasks as it may hold', t_queue[one.pos] using errcode = 'NT503';
    end if;
    pos := one.pos;
    outcome := one.outcome;
    id := one.id;
    return next;
  end loop;
end
$$;
