#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A directive is a row in the table of server/directives.c, an entry in
# docs/directives.md with the right context and default, a line in the
# README's index, and a test that uses it.  And the reverse.  A directive of
# another module is a row in the table of server/access/foreign_directives.h;
# docs/directives.md names it, and a test uses it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $config = join '', map { text("server/$_") }
    qw(directives.c config.c config.h);
my $all_code = join '', map { text($_) } files(qr{^server/.*\.c$});
my $docs = text('docs/directives.md');
my $readme = text('README.md');

# --- the code ---------------------------------------------------------------

my %row;
while ($config =~ /AP_INIT_\w+\(\s*"(\w+)",\s*(\w+),\s*[^,]+,\s*([\w\s|]+),/g)
{
    my ($name, $setter, $where) = ($1, $2, $3);
    my ($body) = $config
        =~ /^static const char \*\Q$setter\E\(.*?\n\{\n(.*?)^\}/ms;
    $row{$name} = { setter => $body || '', where => $where };
}
my @names = sort keys %row;
some(\@names, 'directives');
is(@names, scalar(() = $config =~ /AP_INIT_\w+\(\s*(?!#name|"<")/g),
    'every row of the table was understood');

# X(Allow, note_from, mod_access_compat, OR_LIMIT); and sections: X(If)
my $table = text('server/access/foreign_directives.h');
my %foreign = map { $_ => 1 }
    $table =~ /^ {4}X\((\w+)(?:, \w+, \w+, [\w |]+)?\)/mg;
some([keys %foreign], 'directives of other modules');
is(keys %foreign, scalar(() = $table =~ /^ {4}X\(/mg),
    "every row of other modules' table was understood");

sub context_of
{
    my $row = shift;
    my %where = map { $_ => 1 } $row->{where} =~ /\w+/g;
    my @context;
    if ($where{OR_FILEINFO}) {
        return 'server config, virtual host, directory, .htaccess';
    }
    push @context, 'server config' if $where{RSRC_CONF};
    push @context, 'virtual host'
        if $where{RSRC_CONF} && $row->{setter} !~ /GLOBAL_ONLY/;
    push @context, 'directory' if $where{ACCESS_CONF};
    return join ', ', @context;
}

# Where the default of each stands in the source.
my %default = (
    ValidatorsEngine => sub { off_unless_on('engine') },
    ValidatorsQuickHandler => sub { off_unless_on('quick') },
    ValidatorsAutoIndex => sub {
        on_unless_off('auto_index')
            && $config =~ /DEFAULT_AUTO_MAX_MIB\ (\d+)\n.*
                DEFAULT_AUTO_WAIT\ apr_time_from_msec\((\d+)\)/sx
            ? "On $1M $2ms" : undef },
    ValidatorsTagSalt => sub {
        $config =~ /conf->tag_salt = NULL;/ ? '' : undef },
    ValidatorsIndex => sub {
        text('configure.ac') =~ /\[index_file=(\/[^\]]+)\]/ ? $1 : undef },
    ValidatorsAnswers => sub {
        $config =~ /#define DEFAULT_SLOTS (\d+)/ ? $1 : undef },
    ValidatorsAnswerTTL => sub {
        $config =~ /#define DEFAULT_TTL_S (\d+)/ ? $1 : undef },
    ValidatorsVerify => sub {
        $all_code =~ /verify == VLD_UNSET\s*\?\s*VLD_COMPARE_(\w+)/
            ? lc $1 : undef },
    ValidatorsTagKey => sub {
        $config =~ /memset\(&global, 0/ && $config !~ /global\.tag_key =/
            ? '' : undef },
    ValidatorsVouchFor => sub { $all_code =~ /vouched && i </ ? '' : undef },
);

# A flag that is only ever compared with VLD_ON is off when it is not set.
sub off_unless_on
{
    my $field = shift;
    my @with = $all_code =~ /->$field\s*[!=]=\s*(\w+)/g;
    return @with && !grep({ $_ ne 'VLD_ON' } @with) ? 'Off' : undef;
}

# The reverse, in the one place that judges it.
sub on_unless_off
{
    my $field = shift;
    my @with = $all_code =~ /->$field\s*[!=]=\s*(\w+)/g;
    return @with && !grep({ $_ !~ /^VLD_(?:OFF|UNSET)$/ } @with);
}

# --- the documents ------------------------------------------------------------

my %entry;
while ($docs =~ /^### (Validators\w+)\n(.*?)(?=^##|\z)/msg) {
    my ($name, $text) = ($1, $2);
    my %field = $text =~ /^\| (\w+) \| (.*?) \|$/mg;
    $entry{$name} = \%field;
}

for my $name (@names) {
    my $entry = $entry{$name} || {};
    ok($entry{$name}, "$name has an entry in docs/directives.md")
        or next;
    like($entry->{Description} || '', qr/\w/, "$name has a description");
    like($entry->{Syntax} || '', qr/^`$name [^`]+`$/, "$name has a syntax");
    is($entry->{Context}, context_of($row{$name}),
        "the documented context of $name is where httpd takes it");
    is($entry->{Override},
        $row{$name}{where} =~ /OR_FILEINFO/ ? 'FileInfo' : undef,
        "the documented override of $name is the one that it needs");
    my $default = $default{$name} ? $default{$name}->() : undef;
    ok(defined $default, "the default of $name is found in the source")
        or diag("say in $0 where it stands");
    is($entry->{Default}, length($default || '') ? "`$name $default`" : 'none',
        "the documented default of $name is the one in the source");
}
none([grep { !$row{$_} } sort keys %entry],
    'every directive in docs/directives.md exists');

# --- the README's index ---------------------------------------------------------

for my $name (@names) {
    ok($readme =~ m{\[`?$name`?\]\(docs/directives\.md#\L$name\E\)},
        "the README's index has $name");
}

my @mentioned;
for my $file (files(qr{^(README|CHANGES)\.md$|^(docs|man|scripts|packaging)/}))
{
    push @mentioned, map { "$_ in $file" } grep { !$row{$_} }
        text($file) =~ /\b(Validators[A-Z]\w*)/g;
}
none(\@mentioned, 'no document speaks of a directive that is not there');

# --- the tests ----------------------------------------------------------------

my @tests = files(qr{^test/t/});
some(\@tests, 'live tests');
my $used = join "\n", map { grep { !/^\s*#/ } lines($_) } @tests;
for my $name (@names) {
    ok($used =~ /\b$name\b/, "a test in test/t uses $name");
}
for my $name (sort keys %foreign) {
    ok($docs =~ /`<?$name\b/, "docs/directives.md tells what $name does to us");
    # What httpd's mod_lua makes of a section.
    my $line = $name eq 'Lua_____ByteCodeHack' ? 'LuaHookFixups' : $name;
    ok($used =~ /(?:^\s*|[<"'])$line\b/m, "a test in test/t uses $name");
}
done_testing();
