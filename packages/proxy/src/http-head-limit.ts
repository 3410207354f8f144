/** The head of a request, at most, in bytes; beyond it the answer is 431. */
export const MAX_HTTP_HEAD_BYTES = 16 * 1024;
