import type { ConnectOptions } from "../../host/client/agent-client.ts";
import { Pod } from "./pod.ts";

/** A pod whose agent is killed. */
export interface CurrentPod {
  pod: Pod;
  readonly options?: ConnectOptions;
}

/** Another connection of the same kind, and a pod that uses it. */
export async function reconnect(current: CurrentPod): Promise<void> {
  const { client, machine, annotations } = current.pod;
  await client.close();
  current.pod = new Pod(machine, await machine.connect(current.options), annotations);
}
