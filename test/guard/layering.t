#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A folder is a part, and a part includes only what lies further in.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $c99 = qr/(assert|ctype|errno|inttypes|limits|setjmp|signal|stdarg
    |stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h/x;
my $posix = qr/$c99|(dirent|fcntl|getopt|grp|libgen|poll|pthread|pwd
    |sched|strings|termios|unistd)\.h|sys\/\w+\.h|linux\/\w+\.h/x;
my $apr = qr/apr\w*\.h/;

# part, its files, the project's headers that they may include, the others.
my @rules = (
    ['types', qr{^include/validators/types\.h$}, qr/(?!)/, $c99],
    ['the contract of slots', qr{^include/validators/slots\.h$},
        qr{validators/types\.h}, $c99],
    ['the contract of precond', qr{^include/validators/precond\.h$},
        qr{validators/types\.h}, $c99],
    ['the contract of answers', qr{^include/validators/answers\.h$},
        qr{validators/(types|slots)\.h}, $c99],
    ['the contract of wanted', qr{^include/validators/wanted\.h$},
        qr{validators/(types|slots)\.h}, $c99],
    ['numbers in octets', qr{^include/validators/bytes\.h$}, qr/(?!)/, $c99],
    ['the contract of content', qr{^include/validators/content\.h$},
        qr{validators/types\.h}, qr/$posix|$apr/],
    ['the contract of index', qr{^include/validators/index\.h$},
        qr{validators/(types|content)\.h}, qr/$posix|$apr/],
    ['the contract of scan', qr{^include/validators/scan\.h$},
        qr{validators/(types|content|index)\.h}, qr/$posix|$apr/],
    ['the contract of watch', qr{^include/validators/watch\.h$},
        qr{validators/(types|content|index)\.h}, qr/$posix|$apr/],
    ['the public header', qr{^include/mod_validators\.h$}, qr/(?!)/,
        qr/(?!)/],
    ['precond', qr{^precond/}, qr{precond/\w+\.h|validators/(types|precond)\.h},
        $c99],
    ['slots', qr{^slots/}, qr{validators/(types|slots)\.h},
        qr/$c99|xxhash\.h/],
    ['answers', qr{^answers/},
        qr{answers/\w+\.h|validators/(types|slots|answers)\.h}, $c99],
    ['wanted', qr{^wanted/},
        qr{wanted/\w+\.h|validators/(types|slots|wanted)\.h}, $c99],
    ['content', qr{^content/},
        qr{content/\w+\.h|validators/(types|bytes|content)\.h},
        qr/$posix|$apr|openssl\/\w+\.h/],
    ['index', qr{^index/},
        qr{index/\w+\.h|validators/(types|bytes|content|index)\.h
            |mod_validators\.h}x,
        qr/$posix|$apr|(lmdb|xxhash)\.h/],
    ['scan', qr{^scan/},
        qr{scan/\w+\.h|validators/(types|content|index|scan)\.h},
        qr/$posix|$apr/],
    ['watch', qr{^watch/},
        qr{watch/\w+\.h|validators/(types|content|index|scan|watch)\.h},
        qr/$posix|$apr/],
    ['cli', qr{^cli/},
        qr{cli/\w+\.h
            |validators/(types|precond|content|index|scan|watch)\.h
            |mod_validators\.h}x,
        qr/$posix|$apr|jansson\.h|openssl\/\w+\.h/],
    ['server', qr{^server/(?!directives\.c)\w+\.[ch]$},
        qr{server/\w+\.h
            |validators/(types|content|answers|wanted)\.h|mod_validators\.h}x,
        qr/$posix|$apr|[\w\/]+\.h/],
    ['server/index', qr{^server/index/},
        qr{server/(index/)?\w+\.h
            |validators/(types|content|index|wanted)\.h}x,
        qr/$posix|$apr|[\w\/]+\.h/],
    ['server/access', qr{^server/access/},
        qr{server/(access/)?\w+\.h|validators/types\.h},
        qr/$posix|$apr|[\w\/]+\.h/],
    ['the directives', qr{^server/directives\.c$},
        qr{server/(access/)?\w+\.h|validators/(types|content)\.h},
        qr/$posix|$apr|[\w\/]+\.h/],
    ['what GET says', qr{^server/request/choose\.[ch]$},
        qr{server/request/choose\.h|validators/(types|content)\.h}, $c99],
    ['what fields say', qr{^server/request/field_list\.[ch]$},
        qr{server/request/field_list\.h}, qr/$c99|strings\.h/],
    ['server/request', qr{^server/request/(?!choose\.|field_list\.)},
        qr{server/((index|access|request)/)?\w+\.h
            |validators/(types|precond|content|answers)\.h}x,
        qr/$posix|$apr|[\w\/]+\.h/],
    ['server/dav', qr{^server/dav/},
        qr{server/((index|access|request|dav)/)?\w+\.h
            |validators/(types|precond|content)\.h}x,
        qr/$posix|$apr|[\w\/]+\.h/],
    ['the front door', qr{^mod_validators\.c$},
        qr{server/[\w/]+\.h|mod_validators\.h}, qr/[\w\/]+\.h/],
);

sub includes
{
    my $name = shift;
    my $text = text($name);
    return $text =~ /^[ \t]*#[ \t]*include[ \t]+(["<][^">]+[">])/mg;
}

# In quotes stands what is the project's, and nothing else.
sub allowed
{
    my ($include, $own, $others) = @_;
    my ($quote, $name) = $include =~ /^(["<])([^">]+)/;
    return $quote eq '"' ? $name =~ /^(?:$own)$/ && exists_in_tree($name)
                         : $name =~ /^(?:$others)$/;
}

sub exists_in_tree
{
    my $name = shift;
    return grep { $_ eq $name || $_ eq "include/$name" } files();
}

# What a part may not name, although it could include it.
sub names
{
    my ($pattern, $word) = @_;
    my @bad;
    for my $name (files($pattern)) {
        my $n = 0;
        for my $line (lines($name)) {
            $n++;
            push @bad, "$name:$n: $line" if $line =~ /\b$word\b/;
        }
    }
    return \@bad;
}

my @sources = files(qr{^(?!test/).*\.[ch]$});
my %ruled;
some(\@sources, 'source files');
for my $rule (@rules) {
    my ($part, $pattern, $own, $others) = @$rule;
    my (@bad, $count);
    for my $name (grep { /$pattern/ } @sources) {
        $ruled{$name}++;
        for my $include (includes($name)) {
            $count++;
            push @bad, "$name includes $include"
                unless allowed($include, $own, $others);
        }
    }
    none(\@bad, "$part includes only what lies further in");
    ok($count || $part =~ /public/, "$part includes something");
}
none([grep { ($ruled{$_} || 0) != 1 } @sources],
    'every source file belongs to one part');
none(names(qr{^server/index/}, qr/request_rec|vld_request/),
    'server/index never sees a request');
none(names(qr{^server/access/}, qr/vld_request/),
    'server/access never sees what the module made of a request');
none(names(qr{^(?!test/|server/(config\.[ch]|directives\.c)$
        |server/access/(foreign_directives|note_(?:fields|security)|notes
            |variables)\.c$).*\.[ch]$}x, qr/vld_config_edit/),
    'only directives edit the configuration');
done_testing();
