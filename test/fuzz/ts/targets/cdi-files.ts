import { CdiDevices } from "../../../../agent/device/cdi/cdi-devices.ts";
import { type CdiFile, decodeCdiFile } from "../../../../agent/device/cdi/cdi-file.ts";
import { chooseEdits } from "../../../../agent/device/cdi/choose-edits.ts";
import { parseCdi } from "../../../../agent/device/cdi/read-cdi-files.ts";
import { AgentError } from "../../../../agent/kernel/error.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const EDITS = {
  env: ["A=b"],
  deviceNodes: [
    { path: "/dev/x", hostPath: "/dev/y", type: "c", major: 1, minor: 3, fileMode: 438, permissions: "rw" },
  ],
  mounts: [{ hostPath: "/a", containerPath: "/b", options: ["ro"] }],
  hooks: [{ hookName: "createContainer", path: "/h", args: ["h"], env: ["A=b"], timeout: 3 }],
  additionalGids: [5],
};
const FILE = {
  cdiVersion: "0.6.0",
  kind: "a.b/c",
  containerEdits: EDITS,
  devices: [{ name: "0", containerEdits: EDITS }],
};
const ANNOTATIONS = '{"cdi.k8s.io/x":"a.b/c=0,a.b/c=1"}';

export const cdiFiles: FuzzTarget = {
  name: "cdi-files",
  promise: "a CDI file in JSON or YAML and the requested device names become edits, or are refused with one line",
  seeds: () => [
    `j${ANNOTATIONS}\n${JSON.stringify(FILE)}`,
    `y${ANNOTATIONS}\n${JSON.stringify(FILE, null, 1)}`,
    `y{}\n---\ncdiVersion: "0.5.0"\nkind: a.b/c\ndevices:\n- name: "0"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/x\n      fileMode: 0640\n    env: &e [A=b]\n- {name: 1, containerEdits: {env: *e}}\n`,
    'j["VISIBLE_CDI_DEVICES=a.b/c=0,1:a.b/d=all"]\n{}',
  ],
  words: [
    "VISIBLE_CDI_DEVICES=",
    "cdi.k8s.io/",
    "a.b/c=",
    "netDevices",
    "!!binary ",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "- ",
    "|\n ",
    ">\n ",
  ],
  async run(input) {
    const text = input.toString("utf8");
    const end = text.indexOf("\n");
    const names = asked(text.slice(1, Math.max(end, 1)));
    let file: CdiFile;
    try {
      file = decodeCdiFile(await parseCdi(text[0] === "j" ? "x.json" : "x.yaml", text.slice(end + 1)));
    } catch (error) {
      // For a file, the agent reports only the first line of an error.
      if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
      return;
    }
    for (const edits of [file.edits, ...file.devices.values()]) {
      for (const { path, access } of edits.nodes)
        promise(path !== "" && /^[rwm]{1,3}$/.test(access), "a node has a path and an access");
      for (const gid of edits.gids) promise(gid >= 0 && gid < 2 ** 32, "a group is a number");
      for (const line of edits.env) promise(!line.includes("\0"), "the environment has no NUL");
    }
    try {
      chooseEdits(names ?? [], { files: [{ ...file, path: "x.yaml", rank: 0 }], problems: [] }, ["/etc/cdi"]);
    } catch (error) {
      refuses(error, AgentError);
    }
  },
};

function asked(text: string) {
  const given = json(text);
  const lines = (values: readonly unknown[]) => values.filter((value) => typeof value === "string");
  const env = Array.isArray(given) ? lines(given) : [];
  const pairs = typeof given === "object" && given !== null && !Array.isArray(given) ? Object.entries(given) : [];
  const annotations = Object.fromEntries(pairs.filter(([, value]) => typeof value === "string"));
  try {
    const names = new CdiDevices({ visible: true }).requested({ annotations, env });
    for (const { kind, name } of names ?? []) promise(!/[\0\n]/.test(kind + name), "a name is a word");
    return names;
  } catch (error) {
    refuses(error, AgentError);
    return undefined;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
