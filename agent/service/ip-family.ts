/** types.IPFamily. */
export const IP_FAMILY = { v4: 0, v6: 1 } as const;
