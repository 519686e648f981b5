# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Who decides later: modules of others with access hooks, mod_lua, and rules
# that come into .htaccess files under a running server.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Extra;
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_520_000_000;
my $text = "a page behind a door\n" x 40;
my $tag = tag_of($text);

# --- modules of others ---------------------------------------------------------

# The doorman, made as others make their modules: by what apxs says.
sub build
{
    my ($name, $hook) = @_;
    my ($load, $made) = make_module('doorman', "mod_doorman_$name",
        $hook ? "-DDOORMAN_HOOK=$hook" : ());
    is($made, '0 ', "a module with an access hook can be made ($name)");
    return $load;
}

my $conf = sub {
    my $docs = $_[0]->docs;
    return "$_[0]{more}<Directory \"$docs\">\nRequire all granted\n"
        . "</Directory>\n" . engine("ValidatorsEngine On\n"
        . "ValidatorsQuickHandler On\nValidatorsAnswerTTL 600\n"
        . ($_[0]{vouch} || ''));
};
my $server = Vld::Server->start(name => 'doorman', loglevel => 'notice',
    more => '', conf => $conf, prepare => sub {
        my $s = shift;
        stamp(spew($s->docs('page.css'), $text), $old);
        scan_of($s);
    });

# The processes that answer now.
sub children
{
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $stat or next;
        my $line = <$fh>;
        push @found, $1 if defined $line
            && $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $server->{pid};
    }
    return @found;
}

# The same server with another configuration, once it alone is in force.
sub becomes
{
    my ($more, $vouch) = @_;
    my %old = map { $_ => 1 } children();
    @$server{qw(more vouch)} = ($more, $vouch);
    $server->configure;
    $server->graceful;
    for (1 .. 400) {
        my @now = children();
        return 1 if @now && !grep { $old{$_} } @now;
        Time::HiRes::sleep(0.03);
    }
    return 0;
}

# Notes of conditional requests after a full one.
sub notes_after
{
    my @ids;
    for my $n (0 .. 5) {
        my $c = $server->client;
        push @ids, new_id() if $n;
        my $res = $c->get('/page.css', $n ? ('If-None-Match' => $tag,
            'X-Id' => $ids[-1]) : ());
        return "$res->{status}" if $res->{status} != ($n ? 304 : 200);
        $c->close;
    }
    my $notes = notes_of($server->log_path, @ids);
    return join ' ', map { $notes->{$_} || 'not logged' } @ids;
}

sub refused
{
    my $c = $server->client;
    return join ' ', map { $c->request($_, '/page.css', 'If-None-Match' =>
        $tag, 'X-Doorman' => 'no')->{status} } qw(GET HEAD GET);
}

# What the log says of the module since that place in it.
sub said_of
{
    my ($name, $from) = @_;
    return grep { /\bvalidators:/ && /\Q$name\E/ } split /\n/,
        substr $server->error_log, $from;
}

like(notes_after(), qr/quick$/, 'without modules of others a page that all'
    . ' may see is answered by the quick handler');
is($server->error_log =~ /access hook/ ? 'named' : 'none named', 'none named',
    'and no module of httpd\'s own is named in the log');

my %hook = (checker => undef, checker_ex => 'ap_hook_access_checker_ex',
    user_id => 'ap_hook_check_user_id', auth => 'ap_hook_auth_checker',
    access => 'ap_hook_access_checker', parser => 'ap_hook_header_parser',
    fixups => 'ap_hook_fixups', translate => 'ap_hook_translate_name',
    storage => 'ap_hook_map_to_storage', type => 'ap_hook_type_checker');
for my $name (sort keys %hook) {
    my $load = build($name, $hook{$name});
    my $from = length $server->error_log;
    ok(becomes($load), "a server with the module can be started ($name)");
    my @lines = said_of('mod_doorman.c', $from);
    is(scalar(@lines), 1, "one line of the log names the module ($name)");
    like($lines[0] || '', qr/mod_doorman\.c .*"?ValidatorsVouchFor
        [ ]mod_doorman\.c\b/x, "and the directive that vouches for it"
        . " ($name)");
    like(notes_after(), qr/^(?:304|replay)(?: (?:304|replay)){3} replay$/,
        "with it nothing is answered by the quick handler ($name)");
    next if $name !~ /checker|parser|fixups|translate|storage/;
    is(refused(), '403 403 403', "and whom it refuses is refused ($name)");
}

# httpd runs these before the quick handler, and whom they refuse is refused.
{
    my $load = build('early', 'ap_hook_post_read_request');
    my $from = length $server->error_log;
    ok(becomes($load), 'a server with the module can be started (early)');
    is(scalar(said_of('mod_doorman.c', $from)), 0, 'a hook that comes before'
        . ' the quick handler is not named');
    like(notes_after(), qr/quick$/, 'with it the quick handler answers');
    is(refused(), '403 403 403', 'and whom it refuses is refused (early)');
}

my $load = build('last');
for my $case (['mod_doorman.c', 1], ['mod_other.c mod_doorman.c', 1],
    ['mod_other.c', 0], ['doorman.c', 0], ['mod_doorman', 0])
{
    my ($names, $good) = @$case;
    my $from = length $server->error_log;
    ok(becomes($load, "ValidatorsVouchFor $names\n"),
        "ValidatorsVouchFor $names is a directive");
    like(notes_after(), $good ? qr/quick$/ : qr/^(?!.*quick)/,
        "ValidatorsVouchFor $names: the quick path is "
        . ($good ? 'back' : 'not there'));
    is(scalar(said_of('mod_doorman.c', $from)), $good ? 0 : 1,
        'and the module is ' . ($good ? 'not ' : '') . 'named');
}
ok(becomes('', ''), 'the module can be taken away again');
like(notes_after(), qr/quick$/, 'and then the quick path is there');

# mod_perl has all hooks, whether or not they are used.
{
    my $from = length $server->error_log;
    ok(becomes(load_modules('perl')), 'a server with mod_perl can be started');
    is(scalar(said_of('ValidatorsVouchFor mod_perl.c', $from)), 1,
        'mod_perl is named in the log');
    like(notes_after(), qr/^(?!.*quick).*replay$/,
        'with mod_perl nothing is answered by the quick handler');
    $from = length $server->error_log;
    ok(becomes($load . load_modules('perl')), 'two modules can be loaded');
    is(join(' ', map { scalar said_of("ValidatorsVouchFor $_.c", $from) }
        qw(mod_perl mod_doorman)), '1 1', 'and each is named once');
    ok(becomes(load_modules('perl'), "ValidatorsVouchFor mod_perl.c\n"),
        'mod_perl can be vouched for');
    like(notes_after(), qr/quick$/, 'and then it is');
}

# A hook of mod_lua's is one of whom nothing is known: it may have set fields.
{
    my $script = spew("$server->{root}/door.lua", <<'END');
require 'apache2'
function door(r)
    if r.headers_in['X-Doorman'] then
        return 403
    end
    return apache2.DECLINED
end
END
    my $docs = $server->docs;
    ok(becomes(load_modules('lua') . "<Directory \"$docs\">\n"
        . "LuaHookAccessChecker \"$script\" door\n</Directory>\n"),
        'a server with mod_lua and a hook of it can be started');
    like(notes_after(), qr/^(?!.*quick)(?!.*replay).* 304$/,
        'with a hook of mod_lua nothing is answered from an answer of another');
    is(refused(), '403 403 403', 'and whom its hook refuses is refused');
}
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;

# --- rules that come later ----------------------------------------------------------

my $ttl = 1;
my %later = (
    denied => ["Require all denied\n", 403],
    compat => ["Order allow,deny\nDeny from all\n", 403],
    basic => ["AuthType Basic\nAuthName friends\nAuthUserFile \"" . top()
        . "/conf/users\"\nRequire valid-user\n", 401],
    forbidden => ["RewriteEngine On\nRewriteRule . - [F]\n", 403],
    away => ["Redirect 302 /later/off/away/page.css /elsewhere\n"
        . "Redirect 302 /later/on/away/page.css /elsewhere\n", 302],
    gone => ["RewriteEngine On\nRewriteRule . - [G]\n", 410],
    expr => ["Require expr \"%{HTTP:X-Friend} == 'yes'\"\n", 403],
    if => ["<If \"%{HTTP:X-Friend} != 'yes'\">\nRequire all denied\n</If>\n",
        403],
    limit => ["<Limit GET>\nRequire all denied\n</Limit>\n", 403],
    files => ["<Files page.css>\nRequire all denied\n</Files>\n", 403],
);
my @pages = map { ("later/off/$_", "later/on/$_") } sort keys %later;
my $second = Vld::Server->start(name => 'later', loglevel => 'notice',
    conf => sub {
        my $docs = $_[0]->docs;
        return "<Directory \"$docs\">\nRequire all granted\n"
            . "AllowOverride All\n</Directory>\n"
            . engine("ValidatorsEngine On\nValidatorsAnswerTTL $ttl\n"
                . "<Directory \"$docs/later/on\">\n"
                . "ValidatorsQuickHandler On\n</Directory>");
    }, prepare => sub {
        my $s = shift;
        for my $dir (@pages) {
            stamp(spew($s->docs("$dir/page.css"), "$dir: $text"), $old);
        }
        scan_of($s);
    });

# Every page is asked for again and again, from before its rule comes until it
# must have been seen.
{
    my $c = $second->client;
    my %tag = map { $_ => tag_of("$_: $text") } @pages;
    my %note;
    for my $round (1 .. 3) {
        for my $dir (sort keys %tag) {
            my $id = new_id();
            my $res = $c->get("/$dir/page.css", 'If-None-Match' => $tag{$dir},
                'X-Id' => $id);
            $note{$id} = $dir;
            is($res->{status}, 304, "$dir: not modified before its rule")
                if $round == 3;
        }
    }
    my $notes = notes_of($second->log_path, keys %note);
    my %quick = map { $note{$_} => 1 }
        grep { $notes->{$_} eq 'quick' } keys %note;
    is(join(' ', grep { /off/ } keys %quick), '', 'where the quick handler is'
        . ' off it answers nothing');
    cmp_ok(scalar(keys %quick), '>', keys(%later) / 2,
        'where it is on, it does');
    my (%since, %said, %late, %refused);
    for my $dir (sort keys %tag) {
        my ($rule) = $dir =~ /(\w+)$/;
        # By rename: it is there as a whole or not at all.
        my $path = $second->docs("$dir/.htaccess");
        spew("$path.new", $later{$rule}[0]);
        rename "$path.new", $path or die "$path: $!\n";
        $since{$dir} = Time::HiRes::time();
    }
    my $end = Time::HiRes::time() + $ttl + 0.4;
    while (1) {
        my $last = Time::HiRes::time() > $end;
        for my $dir (sort keys %tag) {
            my ($rule) = $dir =~ /(\w+)$/;
            my $asked = Time::HiRes::time();
            my $res = $c->get("/$dir/page.css", 'If-None-Match' =>
                $tag{$dir});
            my $for = $asked - $since{$dir};
            if ($res->{status} == $later{$rule}[1]) {
                $refused{$dir}++;
            }
            elsif ($res->{status} != 304 || $dir =~ /off/ || $for > $ttl) {
                $late{$dir} ||= sprintf '%d %.3f s after the rule came',
                    $res->{status}, $for;
            }
        }
        last if $last;
        Time::HiRes::sleep(0.02);
    }
    for my $dir (sort keys %tag) {
        is($late{$dir} || '', '', "$dir: its rule is in force "
            . ($dir =~ /off/ ? 'at once'
                : 'when the prepared answer is too old'));
        ok($refused{$dir}, "$dir: and whoever asks is refused");
    }
    # Those who may, are answered; but not by the quick handler.
    my @ids;
    for my $dir ('later/on/expr', 'later/on/if') {
        for (1 .. 3) {
            push @ids, new_id();
            my $res = $c->get("/$dir/page.css", 'If-None-Match' => $tag{$dir},
                'X-Friend' => 'yes', 'X-Id' => $ids[-1]);
            is($res->{status}, 304, "$dir: a friend is let in");
        }
        is($c->get("/$dir/page.css", 'If-None-Match' => $tag{$dir})
            ->{status}, 403, "$dir: and nobody else after that");
    }
    $notes = notes_of($second->log_path, @ids);
    all_right('a rule that looks at the client has ended the quick path',
        grep { $notes->{$_} eq 'quick' } @ids);
}
is(scalar(() = $second->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$second->stop;

done_testing();
