// Tells the server the time zone here, so that its pages say times as this machine's clock does.
const A_YEAR = 60 * 60 * 24 * 365;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `minerva_timezone=${zone}; path=/; max-age=${A_YEAR}; samesite=lax`;
