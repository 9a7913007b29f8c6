// Eight sandboxes from a pool: they are created ahead, so that a task begins at once. Each serves one task.
import { Sandbox } from "guestd";
import { where } from "./where.ts";

class Pool implements AsyncDisposable {
  readonly #create: () => Promise<Sandbox>;
  readonly #ready: Promise<Sandbox>[] = [];

  constructor(size: number, create: () => Promise<Sandbox>) {
    this.#create = create;
    for (let at = 0; at < size; at++) this.#add();
  }

  /** Gives a task a sandbox that no other task has had. */
  async use<T>(task: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    await using sandbox = await (this.#ready.shift() ?? this.#create());
    return await task(sandbox);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#ready.splice(0).map(async (each) => (await each).stop()));
  }

  #add(): void {
    const created = this.#create();
    created.catch(() => undefined); // whoever takes it gets the error
    this.#ready.push(created);
  }
}

await using pool = new Pool(8, () => Sandbox.create(where));
const tasks = Array.from({ length: 8 }, (_, at) =>
  pool.use(async (sandbox) => (await sandbox.exec(`echo $((${at} * ${at}))`)).stdout.trim()),
);
console.log((await Promise.all(tasks)).join(" "));
