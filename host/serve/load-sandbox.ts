/** Loads the SDK, by which pages read files. A server takes less memory until its first page connects. */
export async function loadSandbox() {
  const [{ Sandbox }] = await Promise.all([
    import("../sdk/sandbox/sandbox.ts"),
    import("../sdk/sandbox/connect-driver.ts"),
  ]);
  return Sandbox;
}
