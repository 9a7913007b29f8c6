import { gunzipSync } from "node:zlib";

/**
 * Returns the compiled profile "guestd-test", as written by apparmor_parser 3.0.8 --skip-kernel-load --stdout from
 *
 *     profile guestd-test {
 *       file,
 *       deny /etc/passwd r,
 *     }
 */
export function apparmorProfile(): Buffer {
  return gunzipSync(Buffer.from(COMPILED, "base64"));
}

const COMPILED =
  "H4sIAAAAAAACA+1TS07DMBB9cew4adIWdkicAakLxI6rIFk0qSpFTdUEVIkFXdJLlLv0ZMw4H+TiVQWs+qznz+R57JmMZYzXfFMvqxWEAiBj" +
  "rDdVsSxzaJVh8ZLXzfyuoR4yQlGaRQ0tSIjvLj5Z205qPJt1/XD/Q97uIW/GzAuDaM/n3j5tH2m4AdQHsKqaosy3LAwg0eIaPT6P75b9vB8l" +
  "ZsM3Hw/HN2iPv3OxExyNz1/Qxclj2M17HYcbETWngZgQR8SUmJFKOP5Cuz8kZUu3sYdOH2T2DH/7DQh7a3S3/WsoykvmWK6cVWrzxxhjMlin" +
  "uMCP0KkTQWtFGUzoX6aUZ87h9CTD54JfbFspyT/EJSiK1LG4NTCy7w32bY0H6+RSEH7EX/Q1SGYRBgAA";
