import { realFiles } from "../kernel/files.ts";
import { addonPaths } from "../kernel/sys/load-addon.ts";
import { PolicyDoor, type PolicyStore } from "../service/policy/policy-door.ts";
import { policyReader } from "../service/policy/policy-reader.ts";
import type { Options } from "./options.ts";

const DEFAULT_FILE = "/etc/kata-opa/default-policy.rego";

/** Throws when there is a policy that can't be read: an agent that was to be restricted does not start without it. */
export function openPolicy(options: Options, stateDirectory: string): PolicyDoor {
  const { allowedCalls, deniedCalls, policyFile } = options;
  const file = policyFile || (realFiles.exists(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  return new PolicyDoor({
    allowedCalls,
    deniedCalls,
    read: policyReader(() => addonPaths("rego.wasm").find((path) => realFiles.exists(path))),
    store: policyStore(stateDirectory),
    first: file === undefined ? undefined : realFiles.readText(file),
  });
}

function policyStore(directory: string): PolicyStore {
  const [text, data] = [`${directory}/policy.rego`, `${directory}/policy-data.json`];
  const read = (path: string) => (realFiles.exists(path) ? realFiles.readText(path) : undefined);
  return {
    readText: () => read(text),
    readData: () => read(data),
    writeText(policy) {
      realFiles.removeTree(data);
      realFiles.replace(text, policy);
    },
    writeData: (json) => realFiles.replace(data, json),
  };
}
