declare module 'nspell' {
  export default function nspell(
    aff: Buffer,
    dic: Buffer,
  ): { correct(word: string): boolean; personal(words: string): void };
}
declare module 'passive-voice' {
  export default function passive(text: string): { index: number; offset: number }[];
}
