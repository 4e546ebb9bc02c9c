-- What is no longer needed goes in pieces, by one node at a time.

-- Removes up to so many entries below the first offsets of trimmed logs, client ids older than `keep`, and memberships that ended
-- more than a day ago. Gives how many; 0 also while another node is at it. Only a time that is the same during a whole statement,
-- which that of clock_timestamp() is not, can be looked up in an index.
create function nitka.tidy(keep interval, at_most int) returns int
language plpgsql as $$
declare
  removed int := 0;
  piece int;
  one record;
  sent_until timestamptz := clock_timestamp() - keep;
  removals_until timestamptz := clock_timestamp() - interval '1 day';
begin
  if not pg_try_advisory_xact_lock(7365216443) then
    return 0;
  end if;
  for one in select t.log, l.first from nitka.trims t join nitka.logs l on l.no = t.log loop
    delete from nitka.entries e where e.log = one.log and e."offset" in (
      select d."offset" from nitka.entries d where d.log = one.log and d."offset" < one.first
        order by d."offset" limit at_most - removed
    );
    get diagnostics piece = row_count;
    removed := removed + piece;
    exit when removed >= at_most;
    -- Whoever trims the log further waits here and then makes the row anew, or was first, and then it stays. A log that somebody
    -- keeps locked has its turn later: all that this has done would be undone with it.
    perform from nitka.logs l where l.no = one.log and l.first = one.first for update skip locked;
    if found then
      delete from nitka.trims t where t.log = one.log
        and not exists (select from nitka.entries e where e.log = one.log and e."offset" < one.first);
    end if;
  end loop;
  if removed < at_most then
    -- Locked first: a client id that is just being used again is another row by then, which not every version of Postgres notices.
    delete from nitka.sent s where s.ctid = any (array(
      select o.ctid from nitka.sent o where o.stored < sent_until order by o.stored limit at_most - removed
        for update skip locked
    ));
    get diagnostics piece = row_count;
    removed := removed + piece;
  end if;
  if removed < at_most then
    delete from nitka.removals r where r.ctid = any (array(
      select o.ctid from nitka.removals o where o.at < removals_until order by o.at limit at_most - removed
    ));
    get diagnostics piece = row_count;
    removed := removed + piece;
  end if;
  return removed;
end
$$;
