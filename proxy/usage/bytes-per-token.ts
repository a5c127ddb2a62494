/** How long is a token, where none is counted? English text has about as many letters to one. */
export const BYTES_PER_TOKEN = 4;
