import { isIdentifier } from "../../lib/identifier.ts";
import type { Init } from "../../proto/codec.ts";
import type { task } from "../../proto/gen/containerd-services.js";
import type { RequestOf, ResponseOf } from "../../proto/method.ts";
import { parseExactJson } from "../oci/exact-json.ts";
import { OperationError } from "../operation-error.ts";
import { statsOf } from "./cgroup-metrics.ts";
import type { Publish } from "./event-publisher.ts";
import { guestProcess, guestResources } from "./guest-spec.ts";
import { ANSWER, PodContainer } from "./pod-container.ts";
import { PodGuest } from "./pod-guest.ts";
import type { StdioPaths } from "./process-stdio.ts";
import { Task } from "./task.ts";
import { TaskProcess } from "./task-process.ts";
import { timestamp } from "./timestamp.ts";

/** Functions for all calls of containerd.task.v2. */
export type TaskCalls = {
  readonly [Name in keyof typeof task]: (
    request: RequestOf<(typeof task)[Name]>,
  ) => Promise<Init<ResponseOf<(typeof task)[Name]>>>;
};

/** Values of containerd.Status. */
const STATUS = { created: 1, running: 2, stopped: 3, paused: 4 };

/**
 * The containers of a pod, as their engine asks for them.
 * @param name of the pod
 * @param onShutdown called when the engine needs the shim no more
 */
export function taskService(name: string, publish: Publish, onShutdown: () => void): TaskCalls & AsyncDisposable {
  const tasks = new Map<string, Task>();
  /** Ids of containers that are being created. */
  const begun = new Set<string>();
  const pod = new PodGuest(name, {
    onOom: (container_id) => void (tasks.has(container_id) && publish("TaskOOM", { container_id })),
    onDeath: () => tasks.forEach((task) => void task.end()),
  });

  const find = (id: string): Task => {
    const found = tasks.get(id);
    if (found !== undefined) return found;
    throw new OperationError(`container ${id}: not found`, { kind: "not-found" });
  };

  const publishExit = async (task: Task, exec: string, process: TaskProcess) => {
    const { status, at } = await process.exit;
    const id = exec || task.id;
    publish("TaskExit", {
      container_id: task.id,
      id,
      pid: task.pid(exec),
      exit_status: status,
      exited_at: timestamp(at),
    });
  };

  return {
    async Create(request) {
      const { id, bundle, rootfs, checkpoint } = request;
      const stdio = stdioOf(request);
      if (checkpoint !== "") throw unsupported(`container ${id}: a guest can't be continued from a checkpoint`);
      if (!isIdentifier(id)) {
        throw new OperationError(`container ${id}: not a valid id; use two or more letters, digits, _, . and -`, {
          kind: "invalid-argument",
        });
      }
      if (tasks.has(id) || begun.has(id)) {
        throw new OperationError(`container ${id}: exists already`, { kind: "already-exists" });
      }
      begun.add(id);
      using undo = new DisposableStack();
      undo.defer(() => begun.delete(id));
      const init = undo.use(new TaskProcess(stdio));
      const created = new Task(await PodContainer.create(pod, { id, bundle, rootfs }), bundle, init);
      tasks.set(id, created);
      begun.delete(id);
      undo.move();
      const pid = created.pid();
      publish("TaskCreate", { container_id: id, bundle, rootfs, io: stdio, pid });
      return { pid };
    },

    async Start({ id, exec_id }) {
      const task = find(id);
      const pid = task.pid(exec_id);
      if (exec_id === "") await pod.connect();
      await task.start(exec_id);
      if (exec_id === "") publish("TaskStart", { container_id: id, pid });
      else publish("TaskExecStarted", { container_id: id, exec_id, pid });
      void publishExit(task, exec_id, task.process(exec_id));
      if (exec_id === "") await task.container.runHooks("poststart", "running");
      return { pid };
    },

    async Exec(request) {
      const { id, exec_id, spec } = request;
      const stdio = stdioOf(request);
      const task = find(id);
      if (task.execs.has(exec_id) || exec_id === id) {
        throw new OperationError(`exec ${exec_id}: exists already`, { kind: "already-exists" });
      }
      const process = guestProcess(jsonOf(spec, `exec ${exec_id}`), `exec ${exec_id}`);
      task.addExec(exec_id, new TaskProcess(stdio, { ...process, Terminal: stdio.terminal }));
      publish("TaskExecAdded", { container_id: id, exec_id });
      return {};
    },

    async Delete({ id, exec_id }) {
      const task = find(id);
      const pid = task.pid(exec_id);
      const ended = exec_id === "" ? await task.remove() : task.removeExec(exec_id);
      const exit = { pid, exit_status: ended?.status ?? 0, exited_at: timestamp(ended?.at) };
      if (exec_id === "" && tasks.delete(id)) publish("TaskDelete", { container_id: id, id, ...exit });
      return exit;
    },

    async State({ id, exec_id }) {
      const task = find(id);
      const process = task.process(exec_id);
      const { state, ended, paths } = process;
      const status = STATUS[state === "running" && task.isPaused ? "paused" : state];
      const exit = { exit_status: ended?.status ?? 0, exited_at: timestamp(ended?.at) };
      return { id, exec_id, bundle: task.bundle, pid: task.pid(exec_id), status, ...paths, ...exit };
    },

    async Wait({ id, exec_id }) {
      const { status, at } = await find(id).process(exec_id).exit;
      return { exit_status: status, exited_at: timestamp(at) };
    },

    async Kill({ id, exec_id, signal, all }) {
      const task = find(id);
      const process = task.process(exec_id);
      const wasCreated = process.state === "created";
      await task.kill(exec_id, signal, all);
      if (wasCreated && process.ended !== undefined) void publishExit(task, exec_id, process);
      return {};
    },

    async Pause({ id }) {
      const task = find(id);
      await task.agent.pauseContainer({ container_id: id }, ANSWER);
      task.isPaused = true;
      publish("TaskPaused", { container_id: id });
      return {};
    },

    async Resume({ id }) {
      const task = find(id);
      await task.agent.resumeContainer({ container_id: id }, ANSWER);
      task.isPaused = false;
      publish("TaskResumed", { container_id: id });
      return {};
    },

    async ResizePty({ id, exec_id, width, height }) {
      find(id).process(exec_id).resize(height, width);
      return {};
    },

    async CloseIO({ id, exec_id, stdin }) {
      if (stdin) find(id).process(exec_id).closeInput();
      return {};
    },

    async Update({ id, resources }) {
      const limits = guestResources(jsonOf(resources, `container ${id}`), `container ${id}`);
      await find(id).agent.updateContainer({ container_id: id, resources: limits }, ANSWER);
      return {};
    },

    async Stats({ id }) {
      return { stats: statsOf(await find(id).agent.statsContainer({ container_id: id }, ANSWER)) };
    },

    async Pids({ id }) {
      return { processes: [{ pid: find(id).pid() }] };
    },

    async Connect({ id }) {
      return { shim_pid: process.pid, task_pid: tasks.get(id)?.pid() ?? 0, version: "2" };
    },

    async Checkpoint({ id }) {
      throw unsupported(`container ${id}: a guest's containers can't be checkpointed`);
    },

    async Shutdown({ now }) {
      if (now || (tasks.size === 0 && begun.size === 0)) onShutdown();
      return {};
    },

    [Symbol.asyncDispose]: () => pod[Symbol.asyncDispose](),
  };
}

const unsupported = (line: string) => new OperationError(line, { kind: "unsupported" });

/** Copies the fields by name: a field that is absent in the message is not its own property. */
const stdioOf = ({ stdin, stdout, stderr, terminal }: StdioPaths): StdioPaths => ({ stdin, stdout, stderr, terminal });

/** Parses the JSON that an engine wraps in an Any. Throws OperationError. */
function jsonOf(any: { readonly value: Uint8Array } | null, what: string): unknown {
  try {
    return parseExactJson(Buffer.from(any?.value ?? []).toString(), what);
  } catch (error) {
    throw new OperationError((error as Error).message, { kind: "invalid-argument", cause: error });
  }
}
