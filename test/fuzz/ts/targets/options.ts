import { parseConfigFile } from "../../../../agent/main/config-file.ts";
import { readOptions } from "../../../../agent/main/options.ts";
import { type FuzzTarget, promise } from "../target.ts";

export const options: FuzzTarget = {
  name: "options",
  promise:
    "a kernel command line and a configuration file with any bytes give options within their bounds, and one line for each bad option",
  seeds: () => [
    "agent.log=debug agent.server_addr=vsock://-1:1024 agent.debug_console agent.hotplug_timeout=3 agent.container_pipe_size=4096 agent.allow_calls=Check,CreateContainerRequest agent.mem_agent_memcg_swappiness_max=50\n",
    "agent.config_file=/c\nlog = \"info\" # a\nserver_addr = 'unix:///run/x'\ndev_mode = true\nhotplug_timeout = 1_000\nimage_pull_timeout = { secs = 5, nanos = 0 }\n\n[table]\nx = 1\n",
  ],
  words: [
    "agent.",
    "=",
    '"',
    "\\",
    "{ secs = ",
    ", nanos = 0 }",
    "[",
    "]",
    "#",
    "true",
    "on",
    "off",
    "mem_agent_enable",
    "mem_agent_compact_order",
  ],
  maxLength: 16_384,
  run(input) {
    const text = input.toString("utf8");
    const end = text.indexOf("\n");
    const [commandLine, file] = end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end + 1)];
    const read = readOptions({ commandLine, env: {}, readText: () => file });
    for (const line of read.problems) promise(!line.includes("\n"), "a problem is one line");
    const { options: got } = read;
    promise(
      got.hotplugTimeoutMs > 0 && got.hotplugTimeoutMs <= 2 ** 31 - 1,
      `a timeout is within its bounds, not ${got.hotplugTimeoutMs} ms`,
    );
    promise(got.containerPipeSize >= 0 && got.containerPipeSize <= 1 << 30, "the size of pipes is within its bounds");
    promise(got.debugConsolePort >= 0 && got.debugConsolePort < 2 ** 32, "a port is within its bounds");
    promise(
      Object.getPrototypeOf(got) === Object.prototype && !Object.hasOwn(Object.prototype, "secs"),
      "no prototype was changed",
    );
    parseConfigFile(text);
  },
};
