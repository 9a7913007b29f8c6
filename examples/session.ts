// An interpreter that keeps its variables between calls, such as `python3 -iq` or, without Python in the image, sh. Each
// call ends with a line that the interpreter prints after it, on both outputs. GUESTD_INTERPRETER=python3 chooses.
import { randomUUID } from "node:crypto";
import { type Exec, Sandbox } from "guestd";
import { where } from "./where.ts";

const interpreters = {
  sh: {
    argv: ["sh"],
    mark: (id: string) => `echo ${id}; echo ${id} >&2\n`,
    calls: ["x=40", "y=2", "echo $((x + y))", "nonsense"],
  },
  python3: {
    argv: ["python3", "-iqu", "-c", "import sys; sys.ps1 = sys.ps2 = ''"],
    mark: (id: string) => `print("${id}"); print("${id}", file=sys.stderr)\n`,
    calls: ["x = 40", "y = 2", "print(x + y)", "nonsense"],
  },
};

class Session implements AsyncDisposable {
  readonly #exec: Exec;
  readonly #chunks: AsyncIterator<{ stream: "stdout" | "stderr"; text: string }>;
  readonly #mark: (id: string) => string;

  constructor(sandbox: Sandbox, { argv, mark }: (typeof interpreters)["sh"]) {
    this.#exec = sandbox.exec(argv, { stdin: true });
    this.#chunks = this.#exec[Symbol.asyncIterator]();
    this.#mark = mark;
  }

  async run(code: string): Promise<{ stdout: string; stderr: string }> {
    const [id, seen] = [randomUUID(), { stdout: "", stderr: "" }];
    this.#exec.stdin.write(`${code}\n${this.#mark(id)}`);
    while (!seen.stdout.includes(id) || !seen.stderr.includes(id)) {
      const { done, value } = await this.#chunks.next();
      if (done) throw new Error(`the interpreter has ended: ${seen.stderr}`);
      seen[value.stream] += value.text;
    }
    const before = (text: string) => text.slice(0, text.indexOf(id));
    return { stdout: before(seen.stdout), stderr: before(seen.stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exec[Symbol.asyncDispose]();
  }
}

const { GUESTD_INTERPRETER: name = "sh" } = process.env;
const interpreter = interpreters[name as keyof typeof interpreters];
await using sandbox = await Sandbox.create(where);
await using session = new Session(sandbox, interpreter);
for (const code of interpreter.calls) {
  const { stdout, stderr } = await session.run(code);
  console.log(`> ${code}\n${stdout}${stderr.trim().split("\n").at(-1)}`.trim());
}
