#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Somebody has decided about each directive of httpd's own modules: note is
# taken of it (server/access/foreign_directives.h), or it is harmless
# (server/access/harmless.txt), never both.  The manual has the same list.  An
# httpd with a directive that is in neither fails here.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use File::Temp ();
use Guard;
use Test::More;

# --- the two lists -----------------------------------------------------------------

my $header = text('server/access/foreign_directives.h');
my @noted = (map({ lc } $header =~ /^ {4}X\((\w+), \w+, \w+, /mg),
    map { lc "<$_" } $header =~ /^ {4}X\((\w+)\)/mg);
some(\@noted, 'directives of which note is taken');
is(@noted, scalar(() = $header =~ /\bX\(/g), 'every row was understood');

my (@groups, @harmless);
for my $line (lines('server/access/harmless.txt')) {
    next if $line =~ /^(?:#|$)/;
    if ($line =~ /^([\w, ]+): (\S.*)$/) {
        push @groups, [$1, $2, []];
    }
    elsif ($line =~ /^ {4}\S/ && @groups) {
        push @{$groups[-1][2]}, split ' ', $line;
    }
    else {
        fail("harmless.txt: not understood: $line");
    }
}
@harmless = map { lc } map { @{$_->[2]} } @groups;
some(\@harmless, 'harmless directives');

# CGIScriptTimeout's module is one of two; a name counts once for each reason.
my %noted = map { $_ => 1 } @noted;
my %harmless = map { $_ => 1 } @harmless;
none([grep { $noted{$_} } sort keys %harmless], 'no directive is in both lists');

# --- the manual ----------------------------------------------------------------------

my ($docs) = text('docs/directives.md')
    =~ /^The others are harmless:\n(.*?)(?=^## |\z)/ms;
$docs ||= '';
my @rows;
while ($docs =~ /^\| ([\w, ]+) \| ([^|]+) \| ([^|]+) \|$/mg) {
    my ($module, $names, $why) = ($1, $2, $3);
    push @rows, join(': ', $module, $why =~ s/`(<\w+>)`/$1/r, $names
        =~ s/&lt;/</gr);
}
my %row = map { $_ => 1 } @rows;
my %group = map { join(': ', $_->[0], $_->[1], join ' ', @{$_->[2]}) => 1 }
    @groups;
none([grep { !$row{$_} } sort keys %group],
    'docs/directives.md has every harmless directive, and why');
is(@rows - 1, scalar(@groups), 'and no other');

# --- an httpd ----------------------------------------------------------------------------

sub output_of
{
    my @command = @_;
    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "sh: $!\n";
    my $out = join '', <$fh>;
    return close($fh) ? $out : die "@command: $out\n";
}

sub asked_of_apxs { return split ' ', output_of('apxs', '-q', shift) }

my ($httpd) = grep { -x } map { ("$_/apache2", "$_/httpd") } split(/:/,
    $ENV{PATH}), qw(/usr/sbin /usr/local/sbin);
SKIP: {
    skip('there is no httpd here', 1) unless $httpd;
    my $dir = File::Temp::tempdir(CLEANUP => 1);
    my ($modules) = asked_of_apxs('LIBEXECDIR');
    my $apr = (asked_of_apxs('APR_CONFIG'))[0];
    output_of(asked_of_apxs('CC'), qw(-shared -fPIC), asked_of_apxs('CFLAGS'),
        asked_of_apxs('EXTRA_CPPFLAGS'), '-I' . (asked_of_apxs('INCLUDEDIR'))[0],
        split(' ', output_of($apr, '--includes', '--cppflags')), '-o',
        "$dir/lister.so", top('test/modules/mod_lister.c'));
    my %asked;
    for my $mpm (qw(event worker prefork)) {
        $asked{lc $_} = $_ for listed($dir, $modules, $mpm);
    }
    some([keys %asked], 'directives of httpd');
    cmp_ok(scalar(keys %asked), '>', 500, 'its modules were loaded');
    none([map { $asked{$_} } grep { !$noted{$_} && !$harmless{$_} }
            sort keys %asked],
        'of each directive of httpd is known whether it is harmless');
}

# httpd's own modules: those of Debian's package, where they came in one.
sub own_modules
{
    my $folder = shift;
    my $list = eval { output_of(qw(dpkg -L apache2-bin)) };
    return defined $list ? grep { m{/mod_\w+\.so$} } split /\n/, $list
        : glob "$folder/mod_*.so";
}

sub listed
{
    my ($dir, $folder, $mpm) = @_;
    open my $conf, '>', "$dir/httpd.conf" or die "$dir: $!\n";
    print $conf "ServerRoot \"$dir\"\nServerName localhost\n"
        . "ErrorLog /dev/null\nLoadModule lister_module \"$dir/lister.so\"\n";
    for my $file (own_modules($folder)) {
        my ($name) = $file =~ m{/mod_(\w+)\.so$};
        next if $name =~ /^mpm_/ && $name ne "mpm_$mpm";
        print $conf "<IfModule !mod_$name.c>\n"
            . "LoadModule ${name}_module \"$file\"\n</IfModule>\n";
    }
    close $conf or die "$dir: $!\n";
    my $out = output_of($httpd, '-t', '-f', "$dir/httpd.conf");
    return $out =~ /^(<?\w+) \(\w+\.c\)$/mg;
}

done_testing();
