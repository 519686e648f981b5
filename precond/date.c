/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* HTTP-dates, RFC 9110 5.6.7: the three forms and nothing else.  Never asks
 * the clock, the locale or the time zone. */
#include "validators/precond.h"

#include <string.h>

#define DAY 86400
#define YEAR_0 INT64_C(-62167219200)    /* 0000-01-01 00:00:00 */
#define YEAR_9999 INT64_C(253402300799) /* 9999-12-31 23:59:59 */
#define AVERAGE_YEAR 31556952           /* seconds of 400 years / 400 */

/* read_two() returns this for anything but two digits.  It is out of every
 * range, also where read_four() combines it with another pair, and so small
 * that to_seconds() does not overflow with it as hours. */
#define NOT_DIGITS 100000

#define IMF_LEN 29     /* Sun, 06 Nov 1994 08:49:37 GMT */
#define ASCTIME_LEN 24 /* Sun Nov  6 08:49:37 1994 */
#define RFC850_LEN 24  /* , 06-Nov-94 08:49:37 GMT (after the day's name) */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";

typedef struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
} civil;

static int read_two(const char *p)
{
    unsigned tens = (unsigned char)p[0] - (unsigned)'0';
    unsigned ones = (unsigned char)p[1] - (unsigned)'0';

    return tens > 9 || ones > 9 ? NOT_DIGITS : (int)(tens * 10 + ones);
}

static int read_four(const char *p)
{
    return read_two(p) * 100 + read_two(p + 2);
}

#define NAME(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

static uint32_t name_at(const char *p)
{
    return NAME((unsigned char)p[0], (unsigned char)p[1], (unsigned char)p[2]);
}

/* The month from 1 to 12; 0 for any other text.  Names are case-sensitive. */
static int month_at(const char *p)
{
    switch (name_at(p)) {
    case NAME('J', 'a', 'n'): return 1;
    case NAME('F', 'e', 'b'): return 2;
    case NAME('M', 'a', 'r'): return 3;
    case NAME('A', 'p', 'r'): return 4;
    case NAME('M', 'a', 'y'): return 5;
    case NAME('J', 'u', 'n'): return 6;
    case NAME('J', 'u', 'l'): return 7;
    case NAME('A', 'u', 'g'): return 8;
    case NAME('S', 'e', 'p'): return 9;
    case NAME('O', 'c', 't'): return 10;
    case NAME('N', 'o', 'v'): return 11;
    case NAME('D', 'e', 'c'): return 12;
    }
    return 0;
}

/* The day's name is not compared with the date: it is redundant, and in the
 * two-digit form the year is a guess. */
static bool is_day_at(const char *p)
{
    switch (name_at(p)) {
    case NAME('S', 'u', 'n'):
    case NAME('M', 'o', 'n'):
    case NAME('T', 'u', 'e'):
    case NAME('W', 'e', 'd'):
    case NAME('T', 'h', 'u'):
    case NAME('F', 'r', 'i'):
    case NAME('S', 'a', 't'): return true;
    }
    return false;
}

static bool is_long_day(const char *p, size_t len)
{
    static const char *const names[] = { "Sunday",    "Monday",   "Tuesday",
                                         "Wednesday", "Thursday", "Friday",
                                         "Saturday" };
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && memcmp(p, names[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const char days[] = { 0,  31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31 };

    return month == 2 && is_leap(year) ? 29 : days[month];
}

/* Second 60 is the leap second; it counts as the first of the next minute. */
static bool is_valid(const civil *c)
{
    return c->month != 0 && c->year >= 0 && c->year <= 9999 && c->day >= 1
           && c->day <= days_in_month(c->year, c->month) && c->hour <= 23
           && c->minute <= 59 && c->second <= 60;
}

/* Days since 1970-01-01 in years that begin in March, so that the leap day is
 * the last; 400 years more keep the year 0 out of the negative numbers. */
static int64_t to_days(int year, int month, int day)
{
    int y = year + 400 - (month <= 2);
    int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + of_year
           - (719468 + 146097);
}

static int64_t to_seconds(const civil *c)
{
    return to_days(c->year, c->month, c->day) * DAY + c->hour * 3600
           + c->minute * 60 + c->second;
}

static bool is_clock_at(const char *p, civil *c)
{
    c->hour = read_two(p);
    c->minute = read_two(p + 3);
    c->second = read_two(p + 6);
    return p[2] == ':' && p[5] == ':';
}

static bool is_imf(const char *p, civil *c)
{
    c->day = read_two(p + 5);
    c->month = month_at(p + 8);
    c->year = read_four(p + 12);
    return is_clock_at(p + 17, c) && is_day_at(p) && p[3] == ',' && p[4] == ' '
           && p[7] == ' ' && p[11] == ' ' && p[16] == ' '
           && memcmp(p + 25, " GMT", 4) == 0;
}

static bool is_asctime(const char *p, civil *c)
{
    char day[2];

    day[0] = p[8] == ' ' ? '0' : p[8];
    day[1] = p[9];
    c->day = read_two(day);
    c->month = month_at(p + 4);
    c->year = read_four(p + 20);
    return is_clock_at(p + 11, c) && is_day_at(p) && p[3] == ' ' && p[7] == ' '
           && p[10] == ' ' && p[19] == ' ';
}

/* The latest year with these two digits that puts the date at most 50 years
 * after now.  The year of now is an estimate, at most one too low; so the date
 * itself is compared in the end. */
static int full_year(const civil *c, int64_t now_s)
{
    civil then = *c;
    int64_t now = now_s < 0 ? 0 : now_s > YEAR_9999 ? YEAR_9999 : now_s;
    int latest = 1970 + (int)(now / AVERAGE_YEAR) + 51;
    int year = latest - (latest - c->year) % 100;

    then.year = year - 50;
    return to_seconds(&then) > now ? year - 100 : year;
}

/* p points to the text after the day's name. */
static bool is_rfc850(const char *p, int64_t now_s, civil *c)
{
    c->day = read_two(p + 2);
    c->month = month_at(p + 5);
    c->year = read_two(p + 9);
    if (!is_clock_at(p + 12, c) || p[0] != ',' || p[1] != ' ' || p[4] != '-'
        || p[8] != '-' || p[11] != ' ' || memcmp(p + 20, " GMT", 4) != 0) {
        return false;
    }
    if (c->year == NOT_DIGITS || c->month == 0) {
        return false;
    }
    c->year = full_year(c, now_s);
    return true;
}

static bool is_date(const char *p, size_t len, int64_t now_s, civil *c)
{
    size_t name;

    if (len == IMF_LEN) {
        return is_imf(p, c);
    }
    if (len == ASCTIME_LEN) {
        return is_asctime(p, c);
    }
    if (len < IMF_LEN) {
        return false;
    }
    name = len - RFC850_LEN;
    return is_long_day(p, name) && is_rfc850(p + name, now_s, c);
}

bool vld_date_parse(vld_span text, int64_t now_s, int64_t *out_s)
{
    const char *p = text.ptr;
    size_t len = text.len;
    civil c;

    if (!p) {
        return false;
    }
    for (; len > 0 && (*p == ' ' || *p == '\t'); len--) {
        p++;
    }
    while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t')) {
        len--;
    }
    if (!is_date(p, len, now_s, &c) || !is_valid(&c)) {
        return false;
    }
    *out_s = to_seconds(&c);
    return true;
}

/* The inverse of to_days(), from the same years that begin in March. */
static void from_days(int64_t days, civil *c)
{
    int n = (int)(days + 719468 + 146097);
    int era = n / 146097;
    int of_era = n % 146097;
    int y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * y + y / 4 - y / 100);
    int m = (5 * of_year + 2) / 153;

    c->day = of_year - (153 * m + 2) / 5 + 1;
    c->month = m < 10 ? m + 3 : m - 9;
    c->year = era * 400 + y - 400 + (c->month <= 2);
}

static void put_two(char *p, int n)
{
    p[0] = (char)('0' + n / 10);
    p[1] = (char)('0' + n % 10);
}

void vld_date_format(int64_t s, char out[VLD_DATE_SIZE])
{
    civil c;
    int64_t days;
    int of_day;

    s = s < YEAR_0 ? YEAR_0 : s > YEAR_9999 ? YEAR_9999 : s;
    days = (s - YEAR_0) / DAY + YEAR_0 / DAY;
    of_day = (int)(s - days * DAY);
    from_days(days, &c);
    memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", VLD_DATE_SIZE);
    /* 0000-01-01 was a Saturday */
    memcpy(out, day_names + (days - YEAR_0 / DAY + 6) % 7 * 3, 3);
    put_two(out + 5, c.day);
    memcpy(out + 8, month_names + (c.month - 1) * 3, 3);
    put_two(out + 12, c.year / 100);
    put_two(out + 14, c.year % 100);
    put_two(out + 17, of_day / 3600);
    put_two(out + 20, of_day / 60 % 60);
    put_two(out + 23, of_day % 60);
}
