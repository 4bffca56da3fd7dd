// Two tasks for one workspace, and tasks that nobody knows: what must never be.

// A workspace in two tasks, or a task that lives and is not in the leader's list, or the other way.
export function doubles(workspaces, tasks, alive) {
  const found = [];
  const of = new Map();
  for (const t of tasks.filter((x) => x.workspace && !['lost', 'failed', 'terminating', 'gone', 'saved'].includes(x.state)))
    of.set(t.workspace, [...(of.get(t.workspace) ?? []), t.id]);
  for (const [ws, ids] of of) if (ids.length > 1) found.push(`${ws} has ${ids.join(' and ')}`);
  for (const id of alive) if (!tasks.some((t) => t.id === id)) found.push(`${id} lives and is not known`);
  for (const w of workspaces) if (w.task && w.state === 'running' && !alive.includes(w.task)) found.push(`${w.id} is said to run in ${w.task}, which is dead`);
  return found;
}

export function aliveTasks(world) {
  return world.aliveTasks();
}
