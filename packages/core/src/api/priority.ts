/**
 * Names for the priorities of streams; any whole number from 0 to 255 will do. A higher one goes first, while lower ones keep a sixteenth; equal ones
 * share evenly.
 */
export const Priority = { CRITICAL: 224, HIGH: 176, NORMAL: 128, LOW: 80, BACKGROUND: 32 } as const;
