import { expect, test } from "vitest";
import type { ProxyKeys } from "./proxy-keys.ts";
import { sshConfig } from "./ssh-config.ts";

const keys = { keyFile: "/home/50%/key", knownHostsFile: "/home/50%/known_hosts" } as ProxyKeys;

test("quotes words for the shell, and doubles % for ssh", () => {
  const text = sshConfig("web", ["/it's here/guestctl.sh", "ssh-proxy", "--address", "unix:///a%b", "web"], keys);
  expect(text.split("\n")).toEqual([
    "Host web",
    "  ProxyCommand '/it'\\''s here/guestctl.sh' ssh-proxy --address 'unix:///a%%b' web",
    '  IdentityFile "/home/50%%/key"',
    "  IdentitiesOnly yes",
    "  HostKeyAlias guestctl",
    '  UserKnownHostsFile "/home/50%%/known_hosts"',
    "",
  ]);
});
